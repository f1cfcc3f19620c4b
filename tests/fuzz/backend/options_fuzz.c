/*
 * What the user writes for disks and networks, and the keys typed at a console: the first byte of
 * the input chooses the parser.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/block/block.h"
#include "backend/char/escape.h"
#include "backend/net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* A refusal says why, in one line. */
static void check_answer(int rc, const struct error *err)
{
    require(rc <= 0);
    if (rc < 0) {
        require(err->text[0] != '\0' && memchr(err->text, '\0', sizeof(err->text)));
    }
}

static void fuzz_disk(char *text)
{
    size_t len = strlen(text);
    struct blk_options o;
    struct error err = {0};

    int rc = blk_options_parse(&o, text, &err);
    check_answer(rc, &err);
    if (rc == 0) {
        require(o.path == text && o.path[0] != '\0' && strlen(o.path) <= len);
        require(!o.format || (o.format > text && o.format <= text + len));
        require(o.cache <= BLK_CACHE_UNSAFE);
    }
}

static void check_forward(const struct net_forward *f)
{
    require(f->host_port > 0 && f->guest_port > 0);
    require(memchr(f->host_addr, '\0', sizeof(f->host_addr)));
    require(memchr(f->guest_addr, '\0', sizeof(f->guest_addr)));
}

static void fuzz_network(const char *text)
{
    struct net_options o;
    struct error err = {0};

    int rc = net_options_parse(&o, text, &err);
    check_answer(rc, &err);
    require(o.nforward <= ARRAY_SIZE(o.forward));
    for (unsigned i = 0; rc == 0 && i < o.nforward; i++) {
        check_forward(&o.forward[i]);
    }
    require(memchr(o.tap, '\0', sizeof(o.tap)));
    require(rc < 0 || o.kind != NET_TAP || o.tap[0] != '\0');
}

static void count_key(void *opaque, char key)
{
    (void)key;
    (*(size_t *)opaque)++;
}

/* Every byte goes to the guest, is a command, or is the Ctrl-A before one. */
static void fuzz_keys(const char *text)
{
    size_t len = strlen(text), keys = 0, left = 0;
    uint8_t *buf = malloc(len + 1);
    struct escape e = {0};

    if (!buf) {
        return;
    }
    memcpy(buf, text, len);
    left = escape_filter(&e, buf, len / 2, count_key, &keys);
    left += escape_filter(&e, buf + len / 2, len - len / 2, count_key, &keys);
    require(left + 2 * keys + e.seen <= len);
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;

    if (!text) {
        return 0;
    }
    if (data[0] == 'd') {
        fuzz_disk(text);
    } else if (data[0] == 'n') {
        fuzz_network(text);
    } else {
        fuzz_keys(text);
    }
    free(text);
    return 0;
}
