/*
 * The kinds of character back end, for chr_open().
 */
#ifndef DOPPEL_BACKEND_CHAR_KINDS_H
#define DOPPEL_BACKEND_CHAR_KINDS_H

#include "backend/char/chr.h"

int chr_stdio_open(struct chr_backend **out, struct evloop *l, struct error *err) must_check;
int chr_pty_open(struct chr_backend **out, struct evloop *l, struct error *err) must_check;
int chr_socket_open(struct chr_backend **out, const char *path, struct evloop *l, struct error *err)
    must_check;
int chr_file_open(struct chr_backend **out, const char *path, struct evloop *l, struct error *err)
    must_check;
int chr_null_open(struct chr_backend **out, struct error *err) must_check;

#endif
