/*
 * Disks as the user names them: the --disk option, and which format opens the image.
 */
#include "backend/block/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/block/image.h"
#include "backend/block/raw.h"
#include "base/log.h"

/* Cut the next comma-separated word off *text, turning ",," into ","; NULL after the last. */
static char *next_word(char **text)
{
    char *word = *text, *in = word, *out = word;

    if (!word) {
        return NULL;
    }
    while (*in && (*in != ',' || in[1] == ',')) {
        in += *in == ',';
        *out++ = *in++;
    }
    *text = *in ? in + 1 : NULL;
    *out = '\0';
    return word;
}

static int parse_cache(struct blk_options *o, const char *mode, struct error *err)
{
    if (strcmp(mode, "writeback") == 0) {
        o->cache = BLK_CACHE_WRITEBACK;
    } else if (strcmp(mode, "none") == 0) {
        o->cache = BLK_CACHE_NONE;
    } else if (strcmp(mode, "unsafe") == 0) {
        o->cache = BLK_CACHE_UNSAFE;
    } else {
        return error_set(err, EINVAL,
                         "unknown cache mode '%s' for disk '%s'; known are writeback, none, unsafe",
                         mode, o->path);
    }
    return 0;
}

static int parse_word(struct blk_options *o, const char *word, struct error *err)
{
    if (strcmp(word, "ro") == 0) {
        o->readonly = true;
    } else if (strcmp(word, "rw") == 0) {
        o->readonly = false;
    } else if (strncmp(word, "format=", 7) == 0) {
        o->format = word + 7;
    } else if (strncmp(word, "cache=", 6) == 0) {
        return parse_cache(o, word + 6, err);
    } else {
        return error_set(err, EINVAL,
                         "unknown option '%s' for disk '%s'; known are ro, rw, cache=, format=; a "
                         "comma in the file's name is written twice",
                         word, o->path);
    }
    return 0;
}

int blk_options_parse(struct blk_options *o, char *text, struct error *err)
{
    *o = (struct blk_options){.path = next_word(&text)};
    if (!o->path || o->path[0] == '\0') {
        return error_set(err, EINVAL, "a disk needs the name of a file or block device");
    }
    for (char *word; (word = next_word(&text)) != NULL;) {
        int rc = parse_word(o, word, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/*
 * An image in another format handed over as raw shows the guest garbage, and lets it overwrite
 * what makes the image one. Only asked when the user named no format: a raw disk may hold anything.
 */
static int refuse_other_format(const struct image *img, const char *path, struct error *err)
{
    static const struct {
        const char *name, *magic;
        size_t len;
    } formats[] = {{"qcow2", "QFI\xfb", 4},
                   {"VMDK", "KDMV", 4},
                   {"VHDX", "vhdxfile", 8},
                   {"VHD", "conectix", 8}};
    char head[8] = "";
    int fd = img->buffered_fd >= 0 ? img->buffered_fd : img->fd;

    if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head)) {
        return error_set(err, EIO, "cannot read disk '%s'", path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (memcmp(head, formats[i].magic, formats[i].len) == 0) {
            return error_set(err, EINVAL,
                             "disk '%s' looks like a %s image; convert it to raw (qemu-img convert "
                             "-O raw), or say format=raw if it is one",
                             path, formats[i].name);
        }
    }
    return 0;
}

int blk_open(struct blk_backend **out, const struct blk_options *o, struct evloop *l,
             struct error *err)
{
    struct image img;

    if (o->format && strcmp(o->format, "raw") != 0) {
        return error_set(err, EINVAL, "unknown format '%s' for disk '%s'; known is raw", o->format,
                         o->path);
    }
    int rc = blk_image_open(&img, o, err);
    if (rc < 0) {
        return rc;
    }
    if (!o->format) {
        rc = refuse_other_format(&img, o->path, err);
    }
    if (rc == 0) {
        rc = raw_open(out, &img, o->cache, l, err);
    }
    if (rc < 0) {
        blk_image_close(&img);
    }
    return rc;
}
