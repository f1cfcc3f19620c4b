/* fw_cfg: items, directory, both ways of reading, hostile DMA descriptors. */
#include "unit/cmocka_all.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "dev/legacy/fw_cfg.h"
#include "unit/fake/machine.h"

enum { RAM = 64 << 20, DESC = 0x1000, BUF = 0x2000 };

struct env {
    struct fake_machine m;
    struct fw_cfg *f;
};

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));
    struct error err;

    fake_machine_init(&e->m);
    assert_int_equal(guest_mem_init(&e->m.mem, RAM, &err), 0);
    assert_int_equal(guest_mem_add_slot(&e->m.mem, 0, RAM, false, &err), 0);
    assert_int_equal(fw_cfg_create(&e->f, &e->m.host), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->f->dev);
    guest_mem_destroy(&e->m.mem);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void read_item(struct env *e, uint16_t key, void *buf, unsigned len)
{
    uint8_t *p = buf;

    out_size(&e->m, 0x510, 2, key);
    for (unsigned i = 0; i < len; i++)
        p[i] = inb(&e->m, 0x511);
}

static void test_signature(void **state)
{
    struct env *e = *state;
    char sig[6] = "";
    uint32_t id;

    read_item(e, FW_CFG_SIGNATURE, sig, 5); /* one past the end is zero */
    assert_string_equal(sig, "QEMU");
    read_item(e, FW_CFG_ID, &id, 4);
    assert_int_equal(id, 3);
    assert_int_equal(be32toh((uint32_t)in_size(&e->m, 0x514, 4)), 0x51454d55);
    assert_int_equal(be32toh((uint32_t)in_size(&e->m, 0x518, 4)), 0x20434647);
    read_item(e, 0x7777, sig, 1);
    assert_int_equal(sig[0], 0);
}

static void test_files(void **state)
{
    struct env *e = *state;
    uint8_t dir[4 + 2 * 64];
    char text[8] = "";
    char long_name[FW_CFG_NAME + 1];

    assert_int_equal(fw_cfg_add_file(e->f, "etc/one", "first", 5), 0);
    assert_int_equal(fw_cfg_add_file(e->f, "etc/two", "2nd", 3), 0);
    assert_int_equal(fw_cfg_add_file(e->f, "etc/two", "2nd", 3), -EEXIST);
    memset(long_name, 'x', FW_CFG_NAME);
    long_name[FW_CFG_NAME] = 0;
    assert_int_equal(fw_cfg_add_file(e->f, long_name, "", 0), -EINVAL);
    assert_int_equal(fw_cfg_add_item(e->f, 5, "\2", 1), 0);
    assert_int_equal(fw_cfg_add_item(e->f, 5, "\2", 1), -EEXIST);
    read_item(e, FW_CFG_FILE_DIR, dir, sizeof(dir));
    assert_int_equal(be_load32(dir), 2);
    assert_int_equal(be_load32(dir + 68), 3);
    assert_string_equal((char *)dir + 68 + 8, "etc/two");
    read_item(e, be_load16(dir + 68 + 4), text, 3);
    assert_string_equal(text, "2nd");
}

static void test_item_limit(void **state)
{
    struct env *e = *state;
    char name[16];
    int rc = 0;

    for (unsigned i = 0; i < 100 && !rc; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        rc = fw_cfg_add_file(e->f, name, name, sizeof(name));
    }
    assert_int_equal(rc, -ENOSPC);
}

static uint32_t dma(struct env *e, uint64_t desc, uint32_t control, uint32_t len, uint64_t addr)
{
    uint8_t raw[16];

    be_store32(raw, control);
    be_store32(raw + 4, len);
    be_store64(raw + 8, addr);
    (void)!gpa_write(&e->m.mem, desc, raw, sizeof(raw));
    out_size(&e->m, 0x514, 8, htobe64(desc));
    if (gpa_read(&e->m.mem, desc, raw, 4) < 0)
        return UINT32_MAX;
    return be_load32(raw);
}

static void test_dma(void **state)
{
    struct env *e = *state;
    char buf[16];

    assert_int_equal(fw_cfg_add_file(e->f, "data", "0123456789", 10), 0);
    memset(buf, 'x', sizeof(buf));
    assert_int_equal(gpa_write(&e->m.mem, BUF, buf, sizeof(buf)), 0);
    assert_int_equal(dma(e, DESC, 0x20 << 16 | 8 | 2, 4, BUF), 0);
    assert_int_equal(dma(e, DESC, 4, 2, 0), 0); /* skip 4 and 5 */
    assert_int_equal(dma(e, DESC, 2, 6, BUF + 4), 0);
    assert_int_equal(gpa_read(&e->m.mem, BUF, buf, sizeof(buf)), 0);
    assert_memory_equal(buf, "01236789\0\0xxxxxx", 16);
}

static void test_hostile_dma(void **state)
{
    struct env *e = *state;
    struct dev *d = &e->f->dev;

    assert_int_equal(dma(e, DESC, 8 | 2, 4, RAM), 1);          /* not RAM */
    assert_int_equal(dma(e, DESC, 8 | 2, UINT32_MAX, BUF), 1); /* too long */
    assert_int_equal(dma(e, DESC, 8 | 16, 4, BUF), 1);         /* a write */
    assert_int_equal(dma(e, DESC, 4, UINT32_MAX, BUF), 0);
    assert_int_equal(dma(e, DESC, 4, UINT32_MAX, BUF), 0); /* must not wrap to the data */
    assert_int_equal(dma(e, DESC, 2, 4, UINT64_MAX - 1), 1);
    assert_int_equal(dma(e, UINT64_MAX - 3, 2, 4, BUF), UINT32_MAX); /* nowhere to answer */
    assert_int_equal(dma(e, DESC, 8 | 2, 16, DESC), 0);              /* onto its own descriptor */
    assert_int_equal(pthread_mutex_trylock(&d->lock), 0);
    pthread_mutex_unlock(&d->lock);
}

/* Memory-mapped: the selector big-endian, data in the order of bytes whatever the width. */
static void test_mmio(void **state)
{
    struct env *e = *state;
    struct fw_cfg *f;
    uint64_t v;

    assert_int_equal(fw_cfg_create_mmio(&f, &e->m.host, 0x10100000), 0);
    assert_int_equal(fw_cfg_add_file(f, "data", "0123456789", 10), 0);
    io_space_write(&e->m.mmio, 0x10100008, 2, htobe16(FW_CFG_FILE_FIRST));
    io_space_read(&e->m.mmio, 0x10100000, 1, &v);
    assert_int_equal(v, '0');
    io_space_read(&e->m.mmio, 0x10100000, 8, &v);
    assert_memory_equal(&v, "12345678", 8);
    io_space_read(&e->m.mmio, 0x10100000, 2, &v);
    assert_memory_equal(&v, "9\0", 2);
    io_space_read(&e->m.mmio, 0x10100010, 8, &v);
    assert_memory_equal(&v, "QEMU CFG", 8);
    fake_destroy(&f->dev);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_signature), T(test_files),       T(test_item_limit),
        T(test_dma),       T(test_hostile_dma), T(test_mmio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
