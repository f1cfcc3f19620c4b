/*
 * See riscv.h. Linux maps the device tree and the kernel in huge pages before it knows how much
 * memory there is, so all lies in the first GiB of RAM.
 */
#include "board/boot/riscv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/endian.h"
#include "board/boot/classify.h"
#include "board/boot/elf.h"
#include "board/boot/load.h"
#include "board/boot/unpack.h"

#define HUGE_PAGE         UINT64_C(0x200000)
#define EVERYTHING_WITHIN (UINT64_C(1) << 30)

/* The Image header. */
enum {
    I_TEXT_OFFSET = 8,
    I_IMAGE_SIZE = 16,
    I_FLAGS = 24,
    I_HEADER = 64,
    FLAG_BIG_ENDIAN = 1,
};

struct riscv_load {
    struct load l;
    const struct riscv_boot_in *in;
    struct riscv_boot *out;
};

/* Bytes of the file, or of the bss that the header adds, at the kernel's place. */
static int image_load(struct riscv_load *r, const struct boot_file *img, struct error *err)
{
    uint8_t h[I_HEADER];
    int rc = boot_file_read(img, 0, h, sizeof(h), err);
    if (rc)
        return rc;
    uint64_t offset = le_load64(h + I_TEXT_OFFSET), size = le_load64(h + I_IMAGE_SIZE);
    if (le_load64(h + I_FLAGS) & FLAG_BIG_ENDIAN)
        return error_set(err, ENOEXEC, "kernel '%s' is big-endian, this machine is not", img->path);
    /* text_offset is from the start of RAM, and a huge page at least, where firmware may be. */
    gpa_t base = r->in->firmware_base + offset;
    if (offset % HUGE_PAGE || offset > EVERYTHING_WITHIN || base < r->in->kernel_base)
        return error_set(err, ENOEXEC,
                         "kernel '%s' is corrupt: its header asks for a place at %#" PRIx64
                         " bytes into memory",
                         img->path, offset);
    if (size > EVERYTHING_WITHIN)
        return error_set(err, ENOEXEC,
                         "kernel '%s' is corrupt: its header promises %" PRIu64 " MiB", img->path,
                         size >> 20);
    size = MAX(size, img->size);
    rc = place_claim(&r->l.place, base, size, "kernel", err);
    if (!rc)
        rc = boot_file_load(img, 0, &r->l.ram, base, img->size, err);
    if (!rc && !r->l.ram.zero && size > img->size &&
        gpa_fill(r->l.ram.mem, base + img->size, 0, size - img->size))
        rc = error_set(err, EFAULT, "cannot clear the kernel's memory");
    r->out->entry = base;
    return rc;
}

static gpa_t lowest(const struct elf *elf)
{
    gpa_t low = UINT64_MAX;
    for (unsigned i = 0; i < elf->nload; i++)
        low = MIN(low, elf->load[i].paddr);
    return low;
}

static bool in_ram(const struct riscv_load *r, gpa_t gpa)
{
    return guest_mem_slot(r->l.ram.mem, gpa) && gpa >= r->in->firmware_base;
}

static gpa_t symbol(const struct elf *elf, const struct boot_file *img, const char *name)
{
    uint64_t value;
    return elf_symbol(elf, img, name, &value) ? elf_physical(elf, value) : 0;
}

/* A vmlinux is linked at an address that is no memory: it goes where an Image would. */
static int kernel_elf(struct riscv_load *r, const struct boot_file *img, struct error *err)
{
    struct elf elf;
    int rc = elf_parse(&elf, img, ELF_FOR_RISCV64, err);
    if (rc)
        return rc;
    if (!in_ram(r, elf_entry(&elf)))
        elf_move(&elf, r->in->kernel_base - (lowest(&elf) & ~(HUGE_PAGE - 1)));
    r->out->entry = elf_entry(&elf);
    r->out->tohost = symbol(&elf, img, "tohost");
    r->out->fromhost = symbol(&elf, img, "fromhost");
    r->out->bare = !r->in->firmware && (r->out->tohost || r->out->entry < r->in->kernel_base);
    return elf_load(&elf, img, &r->l.ram, &r->l.place, err);
}

/* Anything else that firmware is to start: bytes for the kernel's place, as U-Boot is one. */
static int kernel_raw(struct riscv_load *r, struct error *err)
{
    const struct boot_file *img = &r->l.kernel;
    r->out->entry = r->in->kernel_base;
    int rc = place_claim(&r->l.place, r->out->entry, img->size, "kernel", err);
    return rc ? rc : boot_file_load(img, 0, &r->l.ram, r->out->entry, img->size, err);
}

static int kernel_packed(struct riscv_load *r, const struct kernel_class *outer, struct error *err);

static int kernel_in(struct riscv_load *r, const struct boot_file *img, struct error *err)
{
    uint8_t head[CLASSIFY_HEAD];
    struct kernel_class class;
    size_t len = MIN(img->size, sizeof(head));
    int rc = boot_file_read(img, 0, head, len, err);
    if (rc)
        return rc;
    kernel_classify(head, len, &class);
    if (class.kind == KERNEL_RISCV_IMAGE)
        return image_load(r, img, err);
    if (class.kind == KERNEL_RISCV_ELF)
        return kernel_elf(r, img, err);
    if (class.kind == KERNEL_PACKED && img == &r->l.kernel)
        return kernel_packed(r, &class, err);
    if (r->in->firmware && !class.what && img == &r->l.kernel)
        return kernel_raw(r, err);
    return kernel_refuse(img, &class, "RISC-V", err);
}

static int kernel_packed(struct riscv_load *r, const struct kernel_class *outer, struct error *err)
{
    const struct boot_file *file = &r->l.kernel;
    struct boot_file img;
    struct unpacked u = {0};
    uint8_t *packed = malloc(file->size);
    if (!packed)
        return error_set(err, ENOMEM, "out of memory for the kernel");
    int rc = boot_file_read(file, 0, packed, file->size, err);
    if (!rc) {
        rc = unpack_file(packed, file->size, &u, err);
        if (rc)
            rc = error_prefix(err, rc, "kernel '%s'", file->path);
    }
    free(packed);
    if (rc)
        return rc;
    boot_file_from_buffer(&img, u.data, u.len, file->path, "kernel");
    struct error inner = {0};
    rc = kernel_in(r, &img, &inner);
    if (rc == -ENOEXEC && !r->out->entry)
        rc = error_set(err, ENOEXEC, "kernel '%s' is %s without a RISC-V kernel in it", file->path,
                       outer->what);
    else if (rc)
        *err = inner;
    unpacked_free(&u);
    return rc;
}

/* Below kernel_base nothing else is placed, so firmware has its data there too. */
static int firmware_load(struct riscv_load *r, struct error *err)
{
    struct boot_file img;
    uint8_t magic[4] = {0};
    gpa_t base = r->in->firmware_base;
    uint64_t room = r->in->kernel_base - base;
    int rc = boot_file_open(&img, r->in->firmware, "firmware", err);
    if (rc)
        return rc;
    rc = boot_file_read(&img, 0, magic, MIN(img.size, sizeof(magic)), err);
    r->out->firmware = base;
    if (!rc && le_load32(magic) == UINT32_C(0x464c457f)) {
        struct elf elf;
        rc = elf_parse(&elf, &img, ELF_FOR_RISCV64, err);
        r->out->firmware = rc ? 0 : elf_entry(&elf);
        if (!rc)
            rc = elf_load(&elf, &img, &r->l.ram, &r->l.place, err);
    } else if (!rc && img.size > room) {
        rc = error_set(err, EFBIG, "firmware '%s' has %" PRIu64 " KiB; there is room for %" PRIu64,
                       img.path, img.size >> 10, room >> 10);
    } else if (!rc) {
        rc = place_claim(&r->l.place, base, room, "firmware", err);
        if (!rc)
            rc = boot_file_load(&img, 0, &r->l.ram, base, img.size, err);
    }
    boot_file_close(&img);
    return rc;
}

/* As high as the first GiB goes; the initrd lies below. */
static int place_rest(struct riscv_load *r, struct error *err)
{
    gpa_t top = r->in->firmware_base;
    for (unsigned i = 0; i < r->in->map->n; i++)
        if (r->in->map->e[i].base == r->in->firmware_base)
            top += MIN(r->in->map->e[i].len, EVERYTHING_WITHIN);
    r->out->fdt = (top - r->in->fdt_len) & ~(HUGE_PAGE - 1);
    int rc = place_claim(&r->l.place, r->out->fdt, r->in->fdt_len, "device tree", err);
    return rc ? rc : load_initrd(&r->l, r->out->fdt, &r->out->initrd, &r->out->initrd_len, err);
}

int riscv_boot_load(struct guest_mem *mem, const struct riscv_boot_in *in, struct riscv_boot *out,
                    struct error *err)
{
    const struct boot_params_in files = {.initrd = in->initrd};
    struct riscv_load r = {
        .l = {.ram = {mem, in->ram_is_zero}, .in = &files}, .in = in, .out = out};
    *out = (struct riscv_boot){0};
    place_init(&r.l.place, in->map);
    int rc = boot_file_open(&r.l.kernel, in->kernel, "kernel", err);
    if (rc)
        return rc;
    rc = kernel_in(&r, &r.l.kernel, err);
    if (!rc && in->firmware)
        rc = firmware_load(&r, err);
    if (!rc)
        rc = place_rest(&r, err);
    boot_file_close(&r.l.kernel);
    return rc;
}
