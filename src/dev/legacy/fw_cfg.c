/* See fw_cfg.h. */
#include "dev/legacy/fw_cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"

enum { PORT_SELECT = 0x510, OFF_DATA = 1, PORT_DMA = 0x514, DMA_HIGH = 0, DMA_LOW = 4 };
enum { MMIO_SELECT = 8, MMIO_REGS = 10, MMIO_DMA = 16 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };

/*
 * Past an item's end everything reads as zero. One transfer gives at most so many of those: a guest
 * could otherwise hold its vCPU in here for 4 GiB, deaf to a pause.
 */
#define MAX_ZERO_FILL (UINT32_C(16) << 20)

static struct fw_cfg_item *find(struct fw_cfg *f, uint16_t key)
{
    for (unsigned i = 0; i < f->nitems; i++)
        if (f->items[i].key == key)
            return &f->items[i];
    return NULL;
}

/* Bytes left of the selected item. */
static uint32_t remaining(struct fw_cfg *f, const uint8_t **data)
{
    const struct fw_cfg_item *it = find(f, f->selected);

    if (!it || f->offset >= it->len)
        return 0;
    *data = it->data + f->offset;
    return it->len - f->offset;
}

/* The place stays put at 4 GiB - 1, always past any item's end, instead of wrapping. */
static void advance(struct fw_cfg *f, uint32_t n)
{
    if (__builtin_add_overflow(f->offset, n, &f->offset))
        f->offset = UINT32_MAX;
}

static void select_item(struct fw_cfg *f, uint16_t key)
{
    f->selected = key;
    f->offset = 0;
}

static uint8_t read_byte(struct fw_cfg *f)
{
    const uint8_t *data;
    uint8_t v = remaining(f, &data) ? *data : 0;

    advance(f, 1);
    return v;
}

/* ---- DMA ---- */

/* In guest memory big-endian and without gaps. */
struct dma_desc {
    uint32_t control;
    uint32_t length;
    uint64_t address;
};
enum { DMA_DESC_LEN = 16 };

static int dma_read(struct fw_cfg *f, uint64_t addr, uint32_t len)
{
    struct guest_mem *mem = f->dev.host->mem;
    const uint8_t *data = NULL;
    uint32_t n = MIN(len, remaining(f, &data));
    int rc = 0;

    if (len - n > MAX_ZERO_FILL)
        return -E2BIG;
    if (n)
        rc = gpa_write(mem, addr, data, n);
    if (!rc && len > n)
        rc = gpa_fill(mem, addr + n, 0, len - n);
    if (!rc)
        advance(f, len);
    return rc;
}

static int dma_run(struct fw_cfg *f, const struct dma_desc *d)
{
    if (d->control & DMA_SELECT)
        select_item(f, (uint16_t)(d->control >> 16));
    if (d->control & DMA_READ)
        return dma_read(f, d->address, d->length);
    if (d->control & DMA_WRITE)
        return -EROFS; /* no item is the guest's to write */
    if (d->control & DMA_SKIP)
        advance(f, d->length);
    return 0;
}

/* The descriptor is copied once; its control word tells the result. A descriptor outside RAM has
 * nowhere to tell it, and is ignored. */
static void dma_start(struct fw_cfg *f, uint64_t addr)
{
    struct guest_mem *mem = f->dev.host->mem;
    uint8_t raw[DMA_DESC_LEN];
    struct dma_desc d;

    if (gpa_read(mem, addr, raw, sizeof(raw)) < 0)
        return;
    d = (struct dma_desc){be_load32(raw), be_load32(raw + 4), be_load64(raw + 8)};
    be_store32(raw, dma_run(f, &d) < 0 ? DMA_ERROR : 0);
    if (gpa_write(mem, addr, raw, 4) < 0)
        return; /* read-only memory: as above */
}

/* ---- registers ---- */

static enum io_status fw_cfg_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    if (off != OFF_DATA || size != 1)
        return IO_ERROR;
    *val = read_byte(opaque);
    return IO_OK;
}

static enum io_status fw_cfg_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    if (off != 0 || size != 2)
        return IO_ERROR; /* writing data went out of use long ago */
    select_item(opaque, (uint16_t)val);
    return IO_OK;
}

/* Reads as "QEMU CFG": the guest checks that before it trusts the DMA interface. */
static enum io_status dma_reg_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)opaque;
    (void)size;
    *val = htobe32(off == DMA_HIGH ? 0x51454d55 : 0x20434647);
    return IO_OK;
}

static enum io_status dma_reg_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct fw_cfg *f = opaque;
    uint32_t half = be32toh((uint32_t)val);

    (void)size;
    if (off == DMA_HIGH) {
        f->dma_high = half;
        return IO_OK;
    }
    dma_start(f, (uint64_t)f->dma_high << 32 | half);
    f->dma_high = 0;
    return IO_OK;
}

/* In memory the selector is big-endian, and the data register gives up to 8 bytes at once, in the
 * order in which they would come one by one. */
static enum io_status mmio_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    if (off + size > MMIO_SELECT)
        return IO_ERROR;
    *val = 0;
    for (unsigned i = 0; i < size; i++)
        *val |= (uint64_t)read_byte(opaque) << 8 * i;
    return IO_OK;
}

static enum io_status mmio_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    if (off != MMIO_SELECT || size != 2)
        return IO_ERROR;
    select_item(opaque, be16toh((uint16_t)val));
    return IO_OK;
}

static const struct io_ops mmio_ops = {mmio_read, mmio_write, 1, 8, false};
static const struct io_ops fw_cfg_ops = {fw_cfg_read, fw_cfg_write, 1, 2, false};
static const struct io_ops dma_ops = {dma_reg_read, dma_reg_write, 4, 4, false};

/* ---- items ---- */

static int add(struct fw_cfg *f, uint16_t key, const char *name, const void *data, uint32_t len)
{
    struct fw_cfg_item *it = &f->items[f->nitems];
    uint8_t *copy;

    if (f->nitems == FW_CFG_MAX_ITEMS)
        return -ENOSPC;
    copy = malloc(len ? len : 1);
    if (!copy)
        return -ENOMEM;
    if (len)
        memcpy(copy, data, len);
    *it = (struct fw_cfg_item){.key = key, .len = len, .data = copy};
    strncpy(it->name, name, sizeof(it->name) - 1);
    f->nitems++;
    return 0;
}

/* An entry: size, key, reserved, name; numbers big-endian. */
static void put_entry(uint8_t *p, const struct fw_cfg_item *it)
{
    be_store32(p, it->len);
    be_store16(p + 4, it->key);
    memcpy(p + 8, it->name, FW_CFG_NAME);
}

/* Write the file directory anew. It grows by one entry a file. */
static int rebuild_dir(struct fw_cfg *f)
{
    struct fw_cfg_item *dir = find(f, FW_CFG_FILE_DIR);
    uint32_t n = f->next_file - FW_CFG_FILE_FIRST, at = 4;
    uint8_t *data = calloc(1, 4 + n * (8 + FW_CFG_NAME));

    if (!data)
        return -ENOMEM;
    be_store32(data, n);
    for (unsigned i = 0; i < f->nitems; i++) {
        if (!f->items[i].name[0])
            continue;
        put_entry(data + at, &f->items[i]);
        at += 8 + FW_CFG_NAME;
    }
    free(dir->data);
    dir->data = data;
    dir->len = at;
    return 0;
}

int fw_cfg_add_item(struct fw_cfg *f, uint16_t key, const void *data, uint32_t len)
{
    if (find(f, key) || key >= FW_CFG_FILE_FIRST)
        return -EEXIST;
    return add(f, key, "", data, len);
}

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, uint32_t len)
{
    int rc;

    if (!name[0] || strlen(name) >= FW_CFG_NAME)
        return -EINVAL;
    for (unsigned i = 0; i < f->nitems; i++)
        if (!strcmp(f->items[i].name, name))
            return -EEXIST;
    rc = add(f, f->next_file, name, data, len);
    if (rc < 0)
        return rc;
    f->next_file++;
    rc = rebuild_dir(f);
    if (rc < 0) {
        f->next_file--;
        free(f->items[--f->nitems].data);
    }
    return rc;
}

/* ---- life ---- */

#define STATE_OWNER struct fw_cfg
STATE_DESC(fw_cfg_state, "fw-cfg", 1, FW_CFG_STATE);
#undef STATE_OWNER

static void fw_cfg_reset(struct dev *d)
{
    struct fw_cfg *f = container_of(d, struct fw_cfg, dev);

    select_item(f, FW_CFG_SIGNATURE);
    f->dma_high = 0;
}

static void fw_cfg_destroy(struct dev *d)
{
    struct fw_cfg *f = container_of(d, struct fw_cfg, dev);

    for (unsigned i = 0; i < f->nitems; i++)
        free(f->items[i].data);
    dev_free(d);
}

static const struct dev_class fw_cfg_class = {
    .name = "fw-cfg",
    .state = &fw_cfg_state,
    .reset = fw_cfg_reset,
    .destroy = fw_cfg_destroy,
};

static int add_fixed_items(struct fw_cfg *f)
{
    const uint8_t id[4] = {ID_TRADITIONAL | ID_DMA};
    const uint8_t empty_dir[4] = {0};
    int rc = add(f, FW_CFG_SIGNATURE, "", "QEMU", 4);

    if (rc < 0)
        return rc;
    rc = add(f, FW_CFG_ID, "", id, sizeof(id));
    if (rc < 0)
        return rc;
    return add(f, FW_CFG_FILE_DIR, "", empty_dir, sizeof(empty_dir));
}

/* The two regions; frees `f` when either's addresses are taken. */
static int place(struct fw_cfg *f, struct io_space *space, struct io_region regs, uint64_t dma)
{
    int rc;

    regs.name = "fw-cfg";
    regs.opaque = f;
    regs.lock = &f->dev.lock;
    rc = io_space_add(space, &regs);
    if (rc < 0)
        goto out_free;
    rc = io_space_add(space, &(struct io_region){"fw-cfg-dma", dma, 8, &dma_ops, f, &f->dev.lock});
    if (rc < 0)
        goto out_region;
    return 0;

out_region:
    io_space_remove(space, regs.base);
out_free:
    fw_cfg_destroy(&f->dev);
    return rc;
}

static int make(struct fw_cfg **out, const struct dev_host *host)
{
    struct fw_cfg *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        return -ENOMEM;
    dev_init(&f->dev, &fw_cfg_class, host, "fw-cfg");
    f->next_file = FW_CFG_FILE_FIRST;
    rc = add_fixed_items(f);
    if (rc < 0)
        fw_cfg_destroy(&f->dev);
    *out = f;
    return rc;
}

int fw_cfg_create(struct fw_cfg **out, const struct dev_host *host)
{
    const struct io_region regs = {.base = PORT_SELECT, .len = 2, .ops = &fw_cfg_ops};
    int rc = make(out, host);

    return rc < 0 ? rc : place(*out, host->pio, regs, PORT_DMA);
}

int fw_cfg_create_mmio(struct fw_cfg **out, const struct dev_host *host, gpa_t base)
{
    const struct io_region regs = {.base = base, .len = MMIO_REGS, .ops = &mmio_ops};
    int rc = make(out, host);

    return rc < 0 ? rc : place(*out, host->mmio, regs, base + MMIO_DMA);
}
