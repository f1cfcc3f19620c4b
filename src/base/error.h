/*
 * A failure's sentence for the user. Functions that can fail for a reason a user must hear take a
 * `struct error *` and return a negative errno; the caller at the top prints the text once.
 */
#ifndef DOPPEL_BASE_ERROR_H
#define DOPPEL_BASE_ERROR_H

#include "base/compiler.h"

struct error {
    char text[512]; /* one sentence, no newline; empty when nothing failed */
};

/*
 * Write the sentence and return -`err` (err > 0, an errno). `e` may be NULL: then only the number
 * is returned. A text already there is replaced.
 */
int error_set(struct error *e, int err, const char *fmt, ...) printf_like(3, 4);

/* Put "`fmt`: " before the text already there; returns `rc` unchanged. */
int error_prefix(struct error *e, int rc, const char *fmt, ...) printf_like(3, 4);

#endif
