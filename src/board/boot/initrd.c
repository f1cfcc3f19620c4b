/*
 * Checking an initrd before the guest panics over it a second later with a message about its root
 * file system. Formats: Linux's buffer-format documentation (newc cpio, possibly several one after
 * the other, each compressed or not) and the RAM disk images that the kernel detects.
 */
#include "board/boot/initrd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct initrd_magic {
    uint16_t off;
    uint8_t len;
    char magic[7];
};

static const struct initrd_magic known[] = {
    {0, 2, "\x1f\x8b"}, /* gzip */
    {0, 6,
     "\xfd"
     "7zXZ"},                   /* xz */
    {0, 3, "\x5d\x00\x00"},     /* lzma */
    {0, 4, "\x28\xb5\x2f\xfd"}, /* zstd */
    {0, 4, "\x02\x21\x4c\x18"}, /* lz4, the old frame the kernel reads */
    {0, 3, "BZh"},              /* bzip2 */
    {0, 4, "\x89LZO"},          /* lzo */
    {0x438, 2, "\x53\xef"},     /* ext2 */
    {0x410, 2, "\x7f\x13"},     /* minix */
    {0, 4, "hsqs"},             /* squashfs */
    {0, 6, "-rom1f"},           /* romfs */
    {0, 4, "\x45\x3d\xcd\x28"}, /* cramfs */
};

enum { HEAD = 0x440, CPIO_HEADER = 110, CPIO_NAME_MAX = 4096, CPIO_WALK_MAX = 4096 };

static bool is_cpio(const uint8_t *h)
{
    return !memcmp(h, "070701", 6) || !memcmp(h, "070702", 6);
}

/* An 8-digit hexadecimal field of a newc header; -1 when it is not one. */
static int64_t cpio_field(const uint8_t *h, unsigned at)
{
    char text[9] = {0}, *end;
    memcpy(text, h + at, 8);
    if (strspn(text, "0123456789abcdefABCDEF") != 8)
        return -1;
    return (int64_t)strtoul(text, &end, 16);
}

static int damaged(const struct boot_file *img, uint64_t at, struct error *err)
{
    return error_set(err, ENOEXEC, "initrd '%s' is corrupt: no valid cpio entry at byte %" PRIu64,
                     img->path, at);
}

static int cut_off(const struct boot_file *img, struct error *err)
{
    return error_set(err, ENOEXEC,
                     "initrd '%s' is truncated: its cpio archive goes on after the "
                     "end of the file",
                     img->path);
}

/* One entry at *at; moves *at behind it. 1: that was the trailer. */
static int cpio_entry(const struct boot_file *img, uint64_t *at, struct error *err)
{
    uint8_t h[CPIO_HEADER + 11];
    if (img->size - *at < sizeof(h))
        return cut_off(img, err);
    int rc = boot_file_read(img, *at, h, sizeof(h), err);
    if (rc)
        return rc;
    int64_t file = cpio_field(h, 54), name = cpio_field(h, 94);
    if (!is_cpio(h) || file < 0 || name <= 0 || name > CPIO_NAME_MAX)
        return damaged(img, *at, err);
    if (name == 11 && !memcmp(h + CPIO_HEADER, "TRAILER!!!", 11))
        return 1;
    uint64_t next = *at + ((CPIO_HEADER + (uint64_t)name + 3) & ~UINT64_C(3));
    next += (uint64_t)file;
    if (next > img->size)
        return cut_off(img, err);
    *at = (next + 3) & ~UINT64_C(3);
    return 0;
}

/* The first archive only: what follows it may be compressed. */
static int cpio_walk(const struct boot_file *img, struct error *err)
{
    uint64_t at = 0;
    for (unsigned i = 0; i < CPIO_WALK_MAX && at < img->size; i++) {
        int rc = cpio_entry(img, &at, err);
        if (rc)
            return rc < 0 ? rc : 0;
    }
    return 0;
}

int initrd_check(const struct boot_file *img, struct error *err)
{
    uint8_t head[HEAD] = {0};
    int rc = boot_file_read(img, 0, head, MIN(img->size, sizeof(head)), err);
    if (rc)
        return rc;
    if (is_cpio(head))
        return cpio_walk(img, err);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (!memcmp(head + known[i].off, known[i].magic, known[i].len))
            return 0;
    return error_set(err, ENOEXEC,
                     "initrd '%s' is neither a cpio archive, nor compressed, nor a file system "
                     "image",
                     img->path);
}
