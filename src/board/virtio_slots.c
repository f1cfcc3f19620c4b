/* See virtio_slots.h. */
#include "board/virtio_slots.h"

#include <errno.h>
#include <stdio.h>

#include "dev/virtio/blk.h"
#include "dev/virtio/console.h"
#include "dev/virtio/mmio.h"
#include "dev/virtio/net.h"
#include "dev/virtio/pci.h"
#include "dev/virtio/rng.h"

static int plug_mmio(struct virtio_slots *s, struct virtio_dev *v, struct dev **transport,
                     struct error *err)
{
    if (s->nmmio == VIRTIO_SLOTS_MAX)
        return error_set(err, ENOSPC, "a machine has at most %d virtio-mmio devices",
                         VIRTIO_SLOTS_MAX);
    unsigned n = s->nmmio++;
    gpa_t base = s->mmio_base + n * GUEST_PAGE_SIZE;
    return virtio_mmio_create(transport, v, base, s->mmio_irq[n], err);
}

/* Both halves belong to the VM from here on; the transport goes first when it is destroyed. */
static int plug(struct virtio_slots *s, struct virtio_dev *v, struct error *err)
{
    struct dev *transport;
    vm_add_device(s->vm, &v->dev);
    int r = s->cfg->virtio == BOARD_VIRTIO_MMIO ? plug_mmio(s, v, &transport, err)
                                                : virtio_pci_create(&transport, v, s->pci, -1, err);
    if (r == 0)
        vm_add_device(s->vm, transport);
    return r;
}

static int create_disk(struct virtio_slots *s, unsigned n, struct error *err)
{
    struct virtio_blk_config cfg = {0};
    struct virtio_dev *v;
    char id[32];
    snprintf(id, sizeof(id), "virtio-blk%u", n);
    int r = blk_open(&cfg.backend, &s->cfg->disk[n], s->vm->loop, err);
    if (r < 0)
        return r;
    r = virtio_blk_create(&v, &s->vm->host, id, &cfg, err);
    return r < 0 ? r : plug(s, v, err);
}

static int create_net(struct virtio_slots *s, unsigned n, struct error *err)
{
    struct virtio_net_config cfg = {0};
    struct virtio_dev *v;
    char id[32];
    if (s->cfg->net[n].kind == NET_NONE)
        return 0;
    snprintf(id, sizeof(id), "virtio-net%u", n);
    int r = net_open(&cfg.backend, &s->cfg->net[n], s->vm->loop, err);
    if (r < 0)
        return r;
    r = virtio_net_create(&v, &s->vm->host, id, &cfg, err);
    return r < 0 ? r : plug(s, v, err);
}

static int create_console(struct virtio_slots *s, struct chr_backend **console, struct error *err)
{
    struct virtio_console_config cfg = {0};
    struct virtio_dev *v;
    if (!s->cfg->virtio_console)
        return 0;
    int r = chr_open(console, s->cfg->virtio_console, s->vm->loop, err);
    if (r < 0)
        return r;
    cfg.backend = *console;
    r = virtio_console_create(&v, &s->vm->host, "virtio-console0", &cfg, err);
    return r < 0 ? r : plug(s, v, err);
}

int virtio_slots_fill(struct virtio_slots *s, struct chr_backend **console, struct error *err)
{
    struct virtio_dev *rng;
    int r = 0;
    for (unsigned i = 0; i < s->cfg->ndisks && r == 0; i++)
        r = create_disk(s, i, err);
    for (unsigned i = 0; i < s->cfg->nnets && r == 0; i++)
        r = create_net(s, i, err);
    if (r == 0)
        r = create_console(s, console, err);
    if (r == 0)
        r = virtio_rng_create(&rng, &s->vm->host, "virtio-rng0", err);
    return r < 0 ? r : plug(s, rng, err);
}
