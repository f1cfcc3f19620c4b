/*
 * Output of a console to a descriptor: written at once as far as the host takes it, the rest kept
 * up to a bound and written as the descriptor becomes writable, what exceeds the bound dropped.
 */
#ifndef DOPPEL_BACKEND_CHAR_OUTPUT_H
#define DOPPEL_BACKEND_CHAR_OUTPUT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/evloop.h"

enum { CHR_OUTPUT_BYTES = 64 << 10 };

enum chr_output_kind {
    CHR_OUTPUT_FD,       /* O_NONBLOCK, or a regular file */
    CHR_OUTPUT_SOCKET,   /* sent to with MSG_DONTWAIT */
    CHR_OUTPUT_BLOCKING, /* shared with other programs, so not ours to make non-blocking */
};

struct chr_output {
    struct evloop *loop;
    pthread_mutex_t lock;
    int fd; /* owned; -1: everything is dropped */
    enum chr_output_kind kind;
    bool watching;       /* registered for EPOLLOUT, while something is kept */
    size_t start, count; /* what is kept, in the ring */
    uint8_t ring[CHR_OUTPUT_BYTES];
};

void chr_output_init(struct chr_output *o, struct evloop *l);
/* After chr_output_detach() and evloop_sync(). */
void chr_output_destroy(struct chr_output *o);

/* From here on write to `fd`, which must not be registered with the loop otherwise (use a dup). */
void chr_output_attach(struct chr_output *o, int fd, enum chr_output_kind kind);
/* Drop what is kept and close the descriptor. */
void chr_output_detach(struct chr_output *o);

/* Any thread; never blocks. 0, or the error that the descriptor answered (it is detached then,
 * except after ENOSPC and its like, where later writes may succeed). */
int chr_output_write(struct chr_output *o, const uint8_t *buf, size_t len);
/* Try for up to a second to write what is kept. */
void chr_output_flush(struct chr_output *o);

#endif
