/* What users write: numbers, sizes, and words that are nearly right. */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* strtoull() takes blanks and signs that no number of ours has. */
static int parse_digits(const char *text, int base, uint64_t *out, const char **end)
{
    if (!isxdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    char *stop;
    *out = strtoull(text, &stop, base);
    *end = stop;
    return stop == text ? -EINVAL : -errno;
}

/* Shift for "K", "MiB", "g", "B" or nothing; -1 when the suffix is none of these. */
static int size_suffix(const char *s)
{
    static const char letters[] = "BKMGT";

    if (!*s)
        return 0;
    const char *letter = strchr(letters, toupper((unsigned char)*s));
    if (!letter)
        return -1;
    int shift = (int)(letter - letters) * 10;
    s++;
    if (!*s || (shift && (!strcasecmp(s, "iB") || !strcasecmp(s, "B"))))
        return shift;
    return -1;
}

int parse_size(const char *text, const char *what, uint64_t *out, struct error *err)
{
    const char *end;
    uint64_t n;

    int rc = parse_digits(text, 10, &n, &end);
    if (rc == -ERANGE)
        return error_set(err, ERANGE, "%s '%s' is too large", what, text);
    int shift = rc ? -1 : size_suffix(end);
    if (shift < 0)
        return error_set(err, EINVAL, "%s '%s' is not a size (write for example 512M or 2G)", what,
                         text);
    if (n > UINT64_MAX >> shift)
        return error_set(err, ERANGE, "%s '%s' is too large", what, text);
    *out = n << shift;
    return 0;
}

int parse_uint(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *out,
               struct error *err)
{
    const char *end;
    uint64_t n;

    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    int rc = parse_digits(text + (hex ? 2 : 0), hex ? 16 : 10, &n, &end);
    if (rc == -EINVAL || (!rc && *end))
        return error_set(err, EINVAL, "%s '%s' is not a number", what, text);
    if (rc || n < min || n > max)
        return error_set(err, ERANGE, "%s '%s' is not between %llu and %llu", what, text,
                         (unsigned long long)min, (unsigned long long)max);
    *out = n;
    return 0;
}

enum { WORD_MAX = 40 };

/* Edit distance with swaps of neighbours (Damerau, optimal string alignment), case ignored. */
static unsigned edit_distance(const char *a, size_t la, const char *b, size_t lb)
{
    unsigned row[3][WORD_MAX + 1];
    unsigned *before = row[0], *prev = row[1], *cur = row[2];

    for (size_t j = 0; j <= lb; j++)
        prev[j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        cur[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            unsigned best = prev[j - 1] + (ca != cb);
            best = MIN(best, MIN(prev[j], cur[j - 1]) + 1);
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]))
                best = MIN(best, before[j - 2] + 1);
            cur[j] = best;
        }
        unsigned *spare = before;
        before = prev;
        prev = cur;
        cur = spare;
    }
    return prev[lb];
}

const char *parse_nearest(const char *text, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t len = strlen(text);
    /* A third of the letters may be wrong: beyond that the guess would be noise. */
    unsigned limit = (unsigned)len / 3 + 1;

    if (len < 2 || len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t lw = strlen(words[i]);
        if (lw > WORD_MAX)
            continue;
        unsigned d = edit_distance(text, len, words[i], lw);
        if (d < limit || (d == limit && !best)) {
            best = words[i];
            limit = d;
        }
    }
    return best;
}

const char *parse_format_size(uint64_t bytes, char *buf, size_t len)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned u = 0;
    double v = (double)bytes;

    for (; v >= 1024 && u + 1 < ARRAY_SIZE(units); u++)
        v /= 1024;
    bool whole = v == (double)(uint64_t)v || v >= 100;
    snprintf(buf, len, whole ? "%.0f %s" : "%.1f %s", v, units[u]);
    return buf;
}
