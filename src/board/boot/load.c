/*
 * The small things every boot protocol hands over: command line, initrd, tables in low memory.
 */
#include "board/boot/load.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "board/boot/initrd.h"

int load_low(struct load *l, const void *buf, uint64_t len, const char *what, gpa_t *out,
             struct error *err)
{
    int rc = place_find(&l->place, len, LOAD_LOW_LIMIT, what, out, err);
    if (rc)
        return rc;
    rc = gpa_write(l->ram.mem, *out, buf, len);
    return rc ? error_set(err, -rc, "cannot write the %s into guest memory", what) : 0;
}

int load_cmdline(struct load *l, uint64_t max, gpa_t *out, struct error *err)
{
    const char *text = l->in->cmdline;
    *out = 0;
    if (!text)
        return 0;
    size_t len = strlen(text);
    if (len > max)
        return error_set(err, E2BIG,
                         "the kernel command line has %zu characters; this kernel takes at most "
                         "%" PRIu64,
                         len, max);
    return load_low(l, text, len + 1, "command line", out, err);
}

int load_initrd(struct load *l, gpa_t limit, gpa_t *base, uint64_t *len, struct error *err)
{
    *base = *len = 0;
    if (!l->in->initrd)
        return 0;
    struct boot_file img;
    int rc = boot_file_open(&img, l->in->initrd, "initrd", err);
    if (rc)
        return rc;
    rc = initrd_check(&img, err);
    if (!rc)
        rc = place_find(&l->place, load_pages(img.size), limit, "initrd", base, err);
    if (!rc)
        rc = boot_file_load(&img, 0, &l->ram, *base, img.size, err);
    if (!rc)
        *len = img.size;
    boot_file_close(&img);
    return rc;
}
