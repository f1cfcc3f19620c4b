/*
 * KVM's interval timer between the kernel and our model.
 *
 * The kernel starts every counter anew when its state is set, and does not tell how far channel 0
 * got (of the others it says when they were loaded, by its monotonic clock). So a count of channel
 * 0 that was under way begins again, either way: a tick comes up to a period late.
 */
#include "base/evloop.h"
#include "dev/timer/pit.h"
#include "dev/timer/ticks.h"
#include "engine/kvm/kvm_impl.h"

enum { ACCESS_BOTH = 3, WORD_LOW = 3, WORD_HIGH = 4 }; /* the kernel's read_state, write_state */

static struct pit *pit_of(struct vm *vm)
{
    struct dev *d = kvm_find_dev(vm, "pit");
    return d ? container_of(d, struct pit, dev) : NULL;
}

/* The guest clock's tick at which a counter was loaded; channel 0 begins anew. */
static uint64_t start_tick(struct vm *vm, unsigned n, int64_t load_time)
{
    uint64_t ago = mono_ns() - (uint64_t)load_time, now = guest_clock_ns(&vm->clock);
    if (n == 0)
        ago = 0;
    return ticks_from_ns(now > ago ? now - ago : 0, PIT_HZ);
}

static void channel_get(struct vm *vm, unsigned n, struct pit_channel *c,
                        const struct kvm_pit_channel_state *s)
{
    bool programmed = s->rw_mode != 0 && s->mode <= 5;
    *c = (struct pit_channel){.mode = programmed ? s->mode : PIT_UNPROGRAMMED,
                              .access = s->rw_mode & 3,
                              .bcd = s->bcd,
                              .gate = s->gate,
                              .counting = programmed && (n == 0 || s->count_load_time),
                              .count = s->count && s->count <= 65536 ? s->count : 65536,
                              .start_tick = start_tick(vm, n, s->count_load_time),
                              .write_high_next = s->write_state == WORD_HIGH,
                              .write_low = s->write_latch,
                              .read_high_next = s->read_state == WORD_HIGH,
                              .latched_count = s->latched_count,
                              .status_latched = s->status_latched,
                              .status = s->status};
    if (s->count_latched)
        c->latched = s->rw_mode == ACCESS_BOTH && s->count_latched != WORD_HIGH ? 2 : 1;
    uint64_t now = ticks_from_ns(guest_clock_ns(&vm->clock), PIT_HZ);
    c->edge_due = c->counting && c->mode != 2 && c->mode != 3 && now < c->start_tick + c->count;
}

static void channel_put(struct kvm_pit_channel_state *s, const struct pit_channel *c)
{
    bool word = c->access == ACCESS_BOTH;
    *s = (struct kvm_pit_channel_state){
        .count = c->count,
        .latched_count = c->latched_count,
        .count_latched = c->latched == 0 ? 0 : (word && c->latched == 1 ? WORD_HIGH : c->access),
        .status_latched = c->status_latched,
        .status = c->status,
        .read_state = c->read_high_next ? WORD_HIGH : c->access,
        .write_state = c->write_high_next ? WORD_HIGH : c->access,
        .write_latch = c->write_low,
        .rw_mode = c->access,
        .mode = c->mode,
        .bcd = c->bcd,
        .gate = c->gate,
    };
}

int kvm_pit_get(struct vm *vm, struct error *err)
{
    struct pit *pit = pit_of(vm);
    struct kvm_pit_state2 s;
    if (!pit)
        return 0;
    int r = kvm_call(kvm_machine_of(vm)->fd, KVM_GET_PIT2, &s, "read the interval timer", err);
    for (unsigned i = 0; i < PIT_CHANNELS && r == 0; i++)
        channel_get(vm, i, &pit->channel[i], &s.channels[i]);
    if (r == 0)
        pit->speaker = s.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
    return r;
}

int kvm_pit_put(struct vm *vm, struct error *err)
{
    struct pit *pit = pit_of(vm);
    struct kvm_pit_state2 s = {0};
    if (!pit)
        return 0;
    for (unsigned i = 0; i < PIT_CHANNELS; i++)
        channel_put(&s.channels[i], &pit->channel[i]);
    if (pit->speaker)
        s.flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
    return kvm_call(kvm_machine_of(vm)->fd, KVM_SET_PIT2, &s, "set the interval timer", err);
}
