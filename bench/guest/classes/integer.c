/* The class `integer`: arithmetic and memory in loops whose branches are mostly foreseeable. */
#include <string.h>

#include "workload.h"

enum {
    SIEVE = 65536,
    SORT = 4096,
    BLOCK = 65536,
    LIMBS = 64,
    WORD = 256,
    TABLE = 16384,
    LZ_BITS = 13
};

static uint8_t bytes[BLOCK];
static char text[BLOCK];
static uint32_t crc_table[256], numbers[SORT];

static uint64_t sieve(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        memset(bytes, 1, SIEVE);
        for (unsigned i = 2; i * i < SIEVE; i++) {
            if (bytes[i]) {
                for (unsigned j = i * i; j < SIEVE; j += i)
                    bytes[j] = 0;
            }
        }
        for (unsigned i = 2; i < SIEVE; i++)
            sum += bytes[i] ? i : 0;
    }
    return sum;
}

static void sort_range(uint32_t *a, long low, long high)
{
    while (low < high) {
        uint32_t pivot = a[(low + high) / 2];
        long i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];

                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort_range(a, low, j);
        low = i;
    }
}

static uint64_t sort(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        fill_random(numbers, sizeof(numbers), u);
        sort_range(numbers, 0, SORT - 1);
        for (unsigned i = 0; i < SORT; i += 64)
            sum = mix(sum, numbers[i]);
    }
    return sum;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x >> by | x << (64 - by);
}

/* The quarter round of BLAKE2b, [RFC 7693 3.1], without its message schedule. */
static void quarter(uint64_t *v, unsigned a, unsigned b, unsigned c, unsigned d)
{
    v[a] += v[b];
    v[d] = rotate(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 24);
    v[a] += v[b];
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 63);
}

static uint64_t hash(unsigned units)
{
    uint64_t v[16], sum = 0;

    for (unsigned i = 0; i < 16; i++)
        v[i] = i * 0x6a09e667f3bcc908u;
    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < 4; i++)
            quarter(v, i, 4 + i, 8 + i, 12 + i);
        for (unsigned i = 0; i < 4; i++)
            quarter(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (unsigned i = 0; i < 16; i++)
        sum = mix(sum, v[i]);
    return sum;
}

static void prepare_crc(void)
{
    fill_random(bytes, sizeof(bytes), 7);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        crc_table[i] = crc;
    }
}

static uint64_t crc(unsigned units)
{
    uint32_t value = 0xffffffff;

    for (unsigned u = 0; u < units; u++) {
        for (unsigned i = 0; i < BLOCK; i++)
            value = crc_table[(value ^ bytes[i]) & 0xff] ^ value >> 8;
    }
    return value;
}

static uint64_t bigmul(unsigned units)
{
    uint64_t a[LIMBS], b[LIMBS], product[2 * LIMBS], sum = 0;

    fill_random(a, sizeof(a), 1);
    fill_random(b, sizeof(b), 2);
    for (unsigned u = 0; u < units; u++) {
        memset(product, 0, sizeof(product));
        for (unsigned i = 0; i < LIMBS; i++) {
            uint64_t carry = 0;

            for (unsigned j = 0; j < LIMBS; j++) {
                unsigned __int128 t = (unsigned __int128)a[i] * b[j] + product[i + j] + carry;

                product[i + j] = (uint64_t)t;
                carry = (uint64_t)(t >> 64);
            }
            product[i + LIMBS] = carry;
        }
        a[u % LIMBS] ^= product[LIMBS];
        sum = mix(sum, product[LIMBS + 1]);
    }
    return sum;
}

static void prepare_text(void)
{
    fill_text(text, sizeof(text));
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance of two pieces of the text. */
static uint64_t distance(unsigned units)
{
    unsigned row[WORD + 1];
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        const char *a = text + u % 64 * WORD, *b = a + 100 * WORD;

        for (unsigned j = 0; j <= WORD; j++)
            row[j] = j;
        for (unsigned i = 0; i < WORD; i++) {
            unsigned diagonal = row[0]++;

            for (unsigned j = 0; j < WORD; j++) {
                unsigned here = least(diagonal + (a[i] != b[j]), least(row[j], row[j + 1]) + 1);

                diagonal = row[j + 1];
                row[j + 1] = here;
            }
        }
        sum = mix(sum, row[WORD]);
    }
    return sum;
}

static unsigned match_length(const char *a, const char *b, unsigned most)
{
    unsigned n = 0;

    while (n < most && a[n] == b[n])
        n++;
    return n;
}

/* The matches a greedy LZ77 compressor finds, with a table of the last place of each hash. */
static uint64_t matches(unsigned units)
{
    static uint32_t last[1 << LZ_BITS];
    uint64_t sum = 0;

    for (unsigned u = 0; u < units; u++) {
        memset(last, 0, sizeof(last));
        for (unsigned at = 1; at + 64 < BLOCK;) {
            uint32_t four, *place;
            unsigned length;

            memcpy(&four, text + at, 4);
            place = &last[four * 2654435761u >> (32 - LZ_BITS)];
            length = *place ? match_length(text + at, text + *place, 64) : 0;
            sum += length >= 4 ? length * (at - *place) : (unsigned char)text[at];
            *place = at;
            at += length >= 4 ? length : 1;
        }
    }
    return sum;
}

/* A hash table with open addressing, of which keys are also removed. */
static uint64_t table(unsigned units)
{
    static uint64_t keys[TABLE];
    uint64_t state = 99, found = 0;

    memset(keys, 0, sizeof(keys));
    for (unsigned u = 0; u < units; u++) {
        uint64_t key = random_next(&state) % TABLE + 1;
        unsigned at = (unsigned)(key * 0x9e3779b97f4a7c15 >> 50), probes = 0;

        while (keys[at] && keys[at] != key && probes++ < 32)
            at = (at + 1) % TABLE;
        found += keys[at] == key;
        keys[at] = keys[at] == key && (u & 3) == 0 ? 0 : key;
    }
    return found;
}

static uint64_t gcd(unsigned units)
{
    uint64_t state = 5, sum = 0;

    for (unsigned u = 0; u < units; u++) {
        uint64_t a = random_next(&state) >> 1, b = random_next(&state) >> 1 | 1;

        while (b) {
            uint64_t rest = a % b;

            a = b;
            b = rest;
        }
        sum = mix(sum, a);
    }
    return sum;
}

const struct workload integer_workloads[] = {
    {.name = "sieve", .run = sieve, .units = 24},
    {.name = "sort", .run = sort, .units = 18},
    {.name = "hash", .run = hash, .units = 60000},
    {.name = "crc", .run = crc, .units = 28, .prepare = prepare_crc},
    {.name = "bigmul", .run = bigmul, .units = 900},
    {.name = "distance", .run = distance, .units = 32, .prepare = prepare_text},
    {.name = "matches", .run = matches, .units = 24, .prepare = prepare_text},
    {.name = "table", .run = table, .units = 200000},
    {.name = "gcd", .run = gcd, .units = 10000},
    {0},
};
