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
    KERNEL_BZIMAGE,     /* x86 Linux setup header */
    KERNEL_ELF,         /* x86 or x86-64 ELF executable */
    KERNEL_MULTIBOOT,   /* not ELF; a multiboot header with load addresses */
    KERNEL_RISCV_IMAGE, /* RISC-V Linux Image */
    KERNEL_RISCV_ELF,   /* 64-bit RISC-V ELF executable */
    KERNEL_PACKED,      /* a compressed file of any kind */
    KERNEL_FOREIGN,     /* cannot boot anywhere; `what` says what it is */
};

struct kernel_class {
    enum kernel_kind kind;
    const char *what;    /* "a RISC-V Linux kernel"; NULL: in no known format */
    const char *machine; /* the architecture, for messages, or NULL */
    const char *advice;  /* what to do instead of booting it, or NULL */
};

/* How many bytes of the file's beginning (all of it when shorter) decide. */
enum { CLASSIFY_HEAD = 8192 };

void kernel_classify(const uint8_t *head, size_t len, struct kernel_class *out);

/* The one sentence for what a machine of architecture `here` cannot boot; returns -ENOEXEC. */
int kernel_refuse(const struct boot_file *img, const struct kernel_class *c, const char *here,
                  struct error *err) must_check;

/*
 * The architecture that the kernel file is for, as isa_ops.name has it, or NULL when it does not
 * tell. A file that cannot be read tells nothing either: whoever boots it says why.
 */
const char *kernel_arch(const char *path);

#endif
