/*
 * The host side of a serial line or console: a byte stream.
 *
 * `write` may be called from any thread and never blocks: what the host does not take at once is
 * buffered up to a bound, then dropped (a guest cannot block its vCPU on a slow terminal).
 * `receive` runs on the event loop's thread with no lock held and returns how many bytes it took;
 * the rest is offered again after `rx_ready`.
 */
#ifndef DOPPEL_BACKEND_CHAR_CHR_H
#define DOPPEL_BACKEND_CHAR_CHR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/evloop.h"

struct chr_backend;

struct chr_backend_ops {
    const char *name;
    void (*write)(struct chr_backend *b, const uint8_t *buf, size_t len);
    void (*rx_ready)(struct chr_backend *b);
    void (*flush)(struct chr_backend *b); /* write out what is buffered; may block up to 1 s */
    void (*close)(struct chr_backend *b); /* also restores the terminal */
};

struct chr_backend {
    const struct chr_backend_ops *ops;
    size_t (*receive)(void *opaque, const uint8_t *buf, size_t len); /* set by the device */
    void *opaque;
    /* Console menu (Ctrl-A ...); set by the command; runs on the loop's thread. `key` is the byte
     * after Ctrl-A, except 'a'/Ctrl-A (sent as Ctrl-A) and 'h'/'?' (help, handled by the back end).
     */
    void (*menu)(void *opaque, char key);
    void *menu_opaque;
    /* Lines for the help about the command's own keys, each "  Ctrl-A KEY  what\r\n"; or NULL. */
    const char *menu_help;
};

/*
 * Parse and open "stdio", "pty", "socket=PATH", "file=PATH", "none". From then on the process
 * ignores SIGPIPE, unless it handles it. Without a `menu`, Ctrl-A x on stdio sends SIGTERM to the
 * process.
 */
int chr_open(struct chr_backend **out, const char *spec, struct evloop *l, struct error *err)
    must_check;

/* Put the terminal back as it was, async-signal-safe; for fatal paths. */
void chr_restore_terminal(void);

#endif
