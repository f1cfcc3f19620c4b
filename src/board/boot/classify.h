/*
 * What kind of kernel a file is, from its first bytes, and the sentence for those that cannot boot.
 */
#ifndef DOPPEL_BOARD_BOOT_CLASSIFY_H
#define DOPPEL_BOARD_BOOT_CLASSIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "board/boot/boot_file.h"

enum kernel_kind {
    KERNEL_BZIMAGE,   /* x86 Linux setup header */
    KERNEL_ELF,       /* x86 or x86-64 ELF executable */
    KERNEL_MULTIBOOT, /* not ELF; a multiboot header with load addresses */
    KERNEL_FOREIGN,   /* cannot boot here; `what` says what it is */
};

struct kernel_class {
    enum kernel_kind kind;
    const char *what;    /* KERNEL_FOREIGN: "a RISC-V Linux kernel" */
    const char *machine; /* KERNEL_FOREIGN: the architecture when that is what is wrong, or NULL */
    const char *advice;  /* KERNEL_FOREIGN: what to do instead, or NULL */
};

/* How many bytes of the file's beginning (all of it when shorter) decide. */
enum { CLASSIFY_HEAD = 8192 };

void kernel_classify(const uint8_t *head, size_t len, struct kernel_class *out);

/* The one sentence for KERNEL_FOREIGN; returns -ENOEXEC. */
int kernel_refuse(const struct boot_file *img, const struct kernel_class *c, struct error *err)
    must_check;

#endif
