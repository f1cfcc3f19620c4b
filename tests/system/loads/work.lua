-- Closures, coroutines, tables, strings, integers and floats: prints the same on every correct machine.
local size = arg and arg[1] or "short"
local scale = size == "long" and 10 or 1

local function sieve(n)
    local composite, count = {}, 0
    for i = 2, n do
        if not composite[i] then
            count = count + 1
            for j = i * i, n, i do composite[j] = true end
        end
    end
    return count
end

local function permutations(list, n)
    if n <= 1 then coroutine.yield(list) return end
    for i = 1, n do
        list[i], list[n] = list[n], list[i]
        permutations(list, n - 1)
        list[i], list[n] = list[n], list[i]
    end
end

local function checksum(text)
    local a, b = 1, 0
    for i = 1, #text do
        a = (a + text:byte(i)) % 65521
        b = (b + a) % 65521
    end
    return b << 16 | a
end

print("primes", sieve(20000 * scale))

local seen = 0
for list in coroutine.wrap(function() permutations({1, 2, 3, 4, 5, 6, 7}, 7) end) do
    seen = (seen * 31 + list[1] * 7 + list[7]) % 1000003
end
print("permutations", seen)

local words = {}
for i = 1, 2000 * scale do words[i] = string.format("%x-%d", i * 2654435761 % 4294967296, i % 17) end
table.sort(words)
print("sorted", checksum(table.concat(words, ",")))
print("matched", select(2, table.concat(words, ","):gsub("(%x+)%-(%d+)", "%2-%1")))

local x = 0.5
for _ = 1, 20000 * scale do x = 3.75 * x * (1 - x) end
print("logistic", string.format("%a", x))

local meta = setmetatable({}, {__index = function(t, k) local v = k * k; t[k] = v; return v end})
local sum = 0
for i = 1, 10000 * scale do sum = sum + meta[i % 777] end
print("metatable", sum)

local ok, message = pcall(function() error({code = 42}) end)
print("error", ok, message.code)
collectgarbage()
