/*
 * What the console tests share: a loop and a back end whose guest collects what it is given.
 */
#ifndef DOPPEL_TESTS_BACKEND_CHAR_CONSOLE_H
#define DOPPEL_TESTS_BACKEND_CHAR_CONSOLE_H

#include <pthread.h>

#include "backend/char/chr.h"

struct console {
    struct evloop *loop;
    struct chr_backend *b;
    struct error err;
    pthread_mutex_t lock;
    size_t room; /* how many bytes the guest takes before it says stop */
    size_t len;
    char got[65536];
    char keys[16]; /* of the menu */
};

void console_setup(struct console *c);
/* chr_open(), connected and, when it worked, with the loop running. */
int console_open(struct console *c, const char *spec);
void console_teardown(struct console *c);
void console_set_room(struct console *c, size_t room);
/* Wait until the guest has got `len` bytes in all; false after five seconds. */
bool console_wait(struct console *c, size_t len);
void console_print(struct console *c, const char *text);

/* Read exactly `len` bytes from `fd`, for at most five seconds. */
bool console_read(int fd, char *buf, size_t len);

#endif
