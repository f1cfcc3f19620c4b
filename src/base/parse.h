/*
 * What users write: numbers, sizes, and words that are nearly right.
 */
#ifndef DOPPEL_BASE_PARSE_H
#define DOPPEL_BASE_PARSE_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/*
 * "4096", "64K", "512M", "2G", "1T", also "512MiB" and in small letters -> bytes; always powers of
 * 1024. -EINVAL or -ERANGE with a sentence that names `what` ("memory size").
 */
int parse_size(const char *text, const char *what, uint64_t *out, struct error *err) must_check;

/* A whole number, decimal or 0x..., within [min, max]. Same errors. */
int parse_uint(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *out,
               struct error *err) must_check;

/*
 * The one of `n` words that `text` probably meant (a few letters wrong, missing or swapped), or
 * NULL when nothing is near. For "unknown option --memry; did you mean --memory?".
 */
const char *parse_nearest(const char *text, const char *const *words, size_t n);

/* "512 MiB", "1.5 GiB": three digits at most, for sentences. Returns `buf`. */
const char *parse_format_size(uint64_t bytes, char *buf, size_t len);

#endif
