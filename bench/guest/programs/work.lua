-- Tables, closures, strings and arithmetic.
local function fib(n)
    if n < 2 then return n end
    return fib(n - 1) + fib(n - 2)
end

local parts, map, seed = {}, {}, 1
for i = 1, 60000 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    map[seed % 5003] = (map[seed % 5003] or 0) + i
    if i % 10 == 0 then parts[#parts + 1] = string.format("%x", seed) end
end
table.sort(parts, function(a, b) return a < b end)
local total = 0.0
for _, value in pairs(map) do total = total + value / 3 end
local digits = table.concat(parts):gsub("%d+", function(d) return #d end)
print(fib(22), #parts, math.floor(total), #digits)
