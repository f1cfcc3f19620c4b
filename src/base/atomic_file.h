/*
 * A file that appears whole or not at all: written beside its place, then renamed into it.
 */
#ifndef DOPPEL_BASE_ATOMIC_FILE_H
#define DOPPEL_BASE_ATOMIC_FILE_H

#include "base/compiler.h"
#include "base/error.h"

struct atomic_file {
    int fd;           /* write here */
    char *path, *tmp; /* final and temporary name */
};

/* Only the owner may read it (mode 0600). Refuses to replace anything but a regular file. */
int atomic_file_open(struct atomic_file *f, const char *path, struct error *err) must_check;
/* To disk and into place, replacing what was there. On failure as after discard. */
int atomic_file_commit(struct atomic_file *f, struct error *err) must_check;
/* Leave no trace. Harmless after commit, after a failed open, and on zeroes. */
void atomic_file_discard(struct atomic_file *f);

#endif
