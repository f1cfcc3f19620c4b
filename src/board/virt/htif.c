/*
 * See htif.h. A request is one word:
 *
 *   63-56 device, 55-48 command, 47-0 payload
 *   device 0: a payload with bit 0 set ends the machine with status payload >> 1
 *   device 1, command 1: a byte for the console
 *
 * The word lies among the program's other data, where no access is trapped; a program that has
 * written to it waits for the answer. So it is looked at now and then, and only while there is such
 * a program.
 */
#include "board/virt/htif.h"

#include <errno.h>
#include <stdlib.h>

#define PERIOD_NS UINT64_C(2000000)

enum { DEV_SYSTEM = 0, DEV_CONSOLE = 1, CMD_WRITE = 1 };

/* Where the words are stands in the kernel's file, but a resumed machine does not read that. */
#define HTIF_STATE(S, A, B, N)                                                                     \
    S(uint64_t, tohost)                                                                            \
    S(uint64_t, fromhost)

struct htif {
    struct dev dev;
    STATE_MEMBERS(HTIF_STATE)
    struct chr_backend *console;
    struct evloop_timer timer;
};

/* dev.lock held, as for all below. */
static void serve(struct htif *h, uint64_t request)
{
    uint64_t device = request >> 56, command = request >> 48 & 0xff;
    uint8_t byte = (uint8_t)request;
    if (device == DEV_SYSTEM && (request & 1))
        h->dev.host->event(h->dev.host->vm, MACHINE_EXIT, (uint32_t)(request >> 1));
    if (device == DEV_CONSOLE && command == CMD_WRITE)
        h->console->ops->write(h->console, &byte, 1);
}

/* A program on another hart may write at the same time: what was not seen stays. */
static void look(struct htif *h)
{
    struct guest_mem *mem = h->dev.host->mem;
    uint64_t request = 0;
    if (gpa_load(mem, h->tohost, 8, &request) < 0 || request == 0)
        return;
    if (gpa_cas(mem, h->tohost, 8, request, 0) != 1)
        return;
    serve(h, request);
    if (h->fromhost && gpa_store(mem, h->fromhost, 8, request >> 48 << 48 | 1) < 0)
        h->fromhost = 0; /* not memory */
}

static void arm(struct htif *h)
{
    evloop_timer_start(&h->timer, h->tohost ? mono_ns() + PERIOD_NS : UINT64_MAX);
}

/* Event loop thread. */
static void timer_fired(void *opaque)
{
    struct htif *h = opaque;
    pthread_mutex_lock(&h->dev.lock);
    if (guest_clock_running(h->dev.host->clock))
        look(h);
    arm(h);
    pthread_mutex_unlock(&h->dev.lock);
}

void htif_set(struct htif *h, gpa_t tohost, gpa_t fromhost)
{
    pthread_mutex_lock(&h->dev.lock);
    h->tohost = tohost;
    h->fromhost = fromhost;
    pthread_mutex_unlock(&h->dev.lock);
}

struct dev *htif_dev(struct htif *h)
{
    return &h->dev;
}

#define STATE_OWNER struct htif
STATE_DESC(htif_state, "htif", 1, HTIF_STATE);
#undef STATE_OWNER

static void htif_resume(struct dev *d)
{
    struct htif *h = container_of(d, struct htif, dev);
    pthread_mutex_lock(&d->lock);
    arm(h);
    pthread_mutex_unlock(&d->lock);
}

static void htif_destroy(struct dev *d)
{
    struct htif *h = container_of(d, struct htif, dev);
    evloop_timer_stop(&h->timer);
    dev_free(d);
}

static const struct dev_class htif_class = {
    .name = "htif",
    .state = &htif_state,
    .resume = htif_resume,
    .destroy = htif_destroy,
};

int htif_create(struct htif **out, const struct dev_host *host, struct chr_backend *console)
{
    struct htif *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    dev_init(&h->dev, &htif_class, host, "htif");
    h->console = console;
    evloop_timer_init(&h->timer, host->loop, timer_fired, h);
    *out = h;
    return 0;
}
