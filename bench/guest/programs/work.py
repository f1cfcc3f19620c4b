"""What scripts do: dictionaries, strings, objects, sorting, closures, exceptions, a regular expression, JSON."""
import json
import re


class Account:
    def __init__(self, owner):
        self.owner, self.total, self.history = owner, 0, []

    def book(self, amount):
        if self.total + amount < 0:
            raise ValueError(self.owner)
        self.total += amount
        self.history.append(amount)


def sieve(limit):
    flags = bytearray([1]) * limit
    for number in range(2, int(limit ** 0.5) + 1):
        if flags[number]:
            flags[number * number::number] = bytes(len(range(number * number, limit, number)))
    return sum(flags) - 2


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    found, free = 0, ~(columns | left | right) & ((1 << size) - 1)
    while free:
        bit = free & -free
        free ^= bit
        found += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return found


def main():
    accounts, refused, seed = {}, 0, 1
    for _ in range(20000):
        seed = (seed * 1103515245 + 12345) % 2**31
        owner = f"owner{seed % 97}"
        try:
            accounts.setdefault(owner, Account(owner)).book(seed % 201 - 100)
        except ValueError:
            refused += 1
    ranking = sorted(accounts.values(), key=lambda account: (-account.total, account.owner))
    text = json.dumps({account.owner: account.history for account in ranking})
    words = re.findall(r"owner\d*7", text)
    print(sieve(100000), queens(7), refused, len(words), hash(sum(map(sum, json.loads(text).values()))))


main()
