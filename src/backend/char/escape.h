/*
 * The escape key of a console, Ctrl-A: the key after it is a command and not for the guest, except
 * Ctrl-A or 'a', which send one Ctrl-A.
 */
#ifndef DOPPEL_BACKEND_CHAR_ESCAPE_H
#define DOPPEL_BACKEND_CHAR_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct escape {
    bool seen; /* Ctrl-A was the last key; zero-initialise */
};

/* Remove commands from `buf`, calling `key` for each; returns how many bytes are left. */
size_t escape_filter(struct escape *e, uint8_t *buf, size_t len,
                     void (*key)(void *opaque, char key), void *opaque);

#endif
