/*
 * Filling boot_params. Fields that a loader must write are marked so in boot.rst's table; the rest
 * of the header is copied from the file, the rest of the page is zero.
 */
#include "board/boot/zero_page.h"

#include <string.h>

#include "base/endian.h"

enum { E820_ENTRY_SIZE = 20, LOADER_UNDEFINED = 0xff, VID_MODE_NORMAL = 0xffff };

/* What a header of protocol 2.15 would say about a kernel that comes without one. */
static void synthesise_header(uint8_t *zp)
{
    le_store16(zp + ZP_BOOT_FLAG, 0xaa55);
    memcpy(zp + ZP_MAGIC, "HdrS", 4);
    le_store16(zp + ZP_VERSION, 0x020f);
    le_store32(zp + ZP_INITRD_ADDR_MAX, INT32_MAX);
    le_store32(zp + ZP_KERNEL_ALIGNMENT, 0x200000);
    le_store16(zp + ZP_XLOADFLAGS, XLF_KERNEL_64);
    le_store32(zp + ZP_CMDLINE_SIZE, 2047);
}

/* "The end of the setup header can be calculated as 0x0202 + byte value at offset 0x0201." */
static void copy_header(uint8_t *zp, const uint8_t *file)
{
    unsigned end = ZP_MAGIC + file[ZP_JUMP + 1];
    end = MIN(end, (unsigned)ZP_HEADER_END);
    memcpy(zp + ZP_HEADER, file + ZP_HEADER, end - ZP_HEADER);
}

static void fill_header(uint8_t *zp, gpa_t kernel)
{
    zp[ZP_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    /* KASLR_FLAG would tell the kernel that its decompressor has chosen a random base; the
     * decompressor sets it itself when it runs. */
    zp[ZP_LOADFLAGS] = (uint8_t)((zp[ZP_LOADFLAGS] | LOADED_HIGH) & ~(KASLR_FLAG | CAN_USE_HEAP));
    le_store16(zp + ZP_VID_MODE, VID_MODE_NORMAL);
    le_store32(zp + ZP_CODE32_START, (uint32_t)kernel);
}

static void fill_e820(uint8_t *zp, const struct e820_map *map)
{
    zp[ZP_E820_ENTRIES] = (uint8_t)map->n;
    for (unsigned i = 0; i < map->n; i++) {
        uint8_t *e = zp + ZP_E820_TABLE + i * E820_ENTRY_SIZE;
        le_store64(e, map->e[i].base);
        le_store64(e + 8, map->e[i].len);
        le_store32(e + 16, map->e[i].type);
    }
}

static int fill_initrd(struct load *l, uint8_t *zp, struct error *err)
{
    gpa_t base;
    uint64_t len;
    gpa_t limit = (gpa_t)le_load32(zp + ZP_INITRD_ADDR_MAX) + 1;
    int rc = load_initrd(l, limit, &base, &len, err);
    if (rc)
        return rc;
    le_store32(zp + ZP_RAMDISK_IMAGE, (uint32_t)base);
    le_store32(zp + ZP_RAMDISK_SIZE, (uint32_t)len);
    return 0;
}

int zero_page_load(struct load *l, const uint8_t *file, gpa_t kernel, struct error *err)
{
    uint8_t zp[ZP_SIZE] = {0};
    gpa_t cmdline, gpa;
    if (file)
        copy_header(zp, file);
    else
        synthesise_header(zp);
    fill_header(zp, kernel);
    fill_e820(zp, l->in->map);
    le_store64(zp + ZP_RSDP, l->in->rsdp);

    int rc = load_cmdline(l, le_load32(zp + ZP_CMDLINE_SIZE), &cmdline, err);
    if (rc)
        return rc;
    le_store32(zp + ZP_CMD_LINE, (uint32_t)cmdline);
    rc = fill_initrd(l, zp, err);
    if (!rc)
        rc = load_low(l, zp, sizeof(zp), "boot parameters", &gpa, err);
    if (!rc)
        l->out->rsi = gpa;
    return rc;
}
