/*
 * [Linux Documentation/arch/x86/boot.rst]
 *
 * The fast way in: the setup header says where in the file the compressed vmlinux lies, the host
 * decompresses it (or finds it in the cache from last time), and the guest starts in the kernel
 * proper. An interpreter would spend seconds in the guest's decompressor.
 */
#include "board/boot/bzimage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/endian.h"
#include "board/boot/cpu_entry.h"
#include "board/boot/unpack.h"
#include "board/boot/unpack_cache.h"
#include "board/boot/vmlinux.h"
#include "board/boot/zero_page.h"

enum { SECTOR = 512, VERSION_MIN = 0x020a /* init_size and pref_address */, ENTRY64 = 0x200 };

struct bzimage {
    uint64_t code; /* protected-mode part in the file */
    uint64_t code_len;
    uint64_t payload, payload_len; /* in the file; length 0: unknown */
    gpa_t pref_address;
    uint32_t init_size;
    bool is64;
};

static int parse(struct bzimage *b, const struct load *l, const uint8_t *head, size_t len,
                 struct error *err)
{
    const char *path = l->kernel.path;
    if (len < ZP_HEADER_END)
        return error_set(err, ENOEXEC, "kernel '%s' is truncated: it ends inside the setup code",
                         path);
    unsigned version = le_load16(head + ZP_VERSION);
    if (version < VERSION_MIN || !(head[ZP_LOADFLAGS] & LOADED_HIGH))
        return error_set(err, ENOEXEC,
                         "kernel '%s' is too old: boot protocol %u.%02u, this "
                         "machine needs 2.10 or newer",
                         path, version >> 8, version & 0xff);
    /* "If the setup_sects field contains 0, the real value is 4." */
    unsigned sects = head[ZP_SETUP_SECTS] ? head[ZP_SETUP_SECTS] : 4;
    b->code = (uint64_t)(sects + 1) * SECTOR;
    b->code_len = (uint64_t)le_load32(head + ZP_SYSSIZE) * 16;
    if (b->code + b->code_len > l->kernel.size)
        return error_set(err, ENOEXEC,
                         "kernel '%s' is truncated: its header promises %" PRIu64
                         " bytes and the file has %" PRIu64,
                         path, b->code + b->code_len, l->kernel.size);
    b->payload = b->code + le_load32(head + ZP_PAYLOAD_OFFSET);
    b->payload_len = le_load32(head + ZP_PAYLOAD_LENGTH);
    if (b->code_len <= ENTRY64 || b->payload + b->payload_len > b->code + b->code_len)
        return error_set(err, ENOEXEC,
                         "kernel '%s' is corrupt: its setup header contradicts "
                         "itself",
                         path);
    b->pref_address = le_load64(head + ZP_PREF_ADDRESS);
    b->init_size = le_load32(head + ZP_INIT_SIZE);
    b->is64 = version >= 0x020c && (le_load16(head + ZP_XLOADFLAGS) & XLF_KERNEL_64);
    return 0;
}

/* Load the file's protected-mode part where the kernel prefers to run; it moves its compressed
 * half out of the way itself, within init_size bytes. */
static int load_whole(struct load *l, const struct bzimage *b, const uint8_t *head,
                      struct error *err)
{
    gpa_t base = b->pref_address;
    uint64_t room = MAX((uint64_t)b->init_size, b->code_len);
    int rc = place_claim(&l->place, base, room, "kernel", err);
    if (!rc)
        rc = boot_file_load(&l->kernel, b->code, &l->ram, base, b->code_len, err);
    if (rc)
        return rc;
    l->out->protocol = b->is64 ? "linux64" : "linux32";
    rc = b->is64 ? cpu_entry_long64(l, base + ENTRY64, err) : cpu_entry_prot32(l, base, err);
    return rc ? rc : zero_page_load(l, head, base, err);
}

/* 0: `out` is the unpacked kernel, whose buffer (if any) the caller frees. */
static int unpacked_kernel(struct load *l, const struct bzimage *b, struct boot_file *out,
                           struct unpacked *u, struct error *err)
{
    *u = (struct unpacked){0};
    if (!l->in->no_cache && unpack_cache_open(&l->kernel, out))
        return 0;
    uint8_t *payload = malloc(b->payload_len);
    if (!payload)
        return error_set(err, ENOMEM, "out of memory for the kernel");
    int rc = boot_file_read(&l->kernel, b->payload, payload, b->payload_len, err);
    if (!rc)
        rc = unpack(payload, b->payload_len, u, err);
    free(payload);
    if (rc)
        return rc == -ENOTSUP ? rc : error_prefix(err, rc, "kernel '%s'", l->kernel.path);
    boot_file_from_buffer(out, u->data, u->len, l->kernel.path, "kernel");
    if (!l->in->no_cache)
        unpack_cache_store(&l->kernel, u->data, u->len);
    return 0;
}

int bzimage_load(struct load *l, const uint8_t *head, size_t len, struct error *err)
{
    struct bzimage b;
    int rc = parse(&b, l, head, len, err);
    if (rc)
        return rc;
    if (l->in->guest_unpack || !b.is64 || b.payload_len == 0)
        return load_whole(l, &b, head, err);

    struct boot_file vmlinux;
    struct unpacked u;
    rc = unpacked_kernel(l, &b, &vmlinux, &u, err);
    if (rc == -ENOTSUP) /* a compression we do not know: the guest's decompressor does */
        return load_whole(l, &b, head, err);
    if (rc)
        return rc;
    rc = vmlinux_load_unpacked(l, &vmlinux, head, err);
    boot_file_close(&vmlinux);
    unpacked_free(&u);
    return rc;
}
