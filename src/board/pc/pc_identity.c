/*
 * Whose processor the machine's CPUs claim to be. An engine that runs guest code on the host's own
 * processor tells the truth about it: the guest's kernel guards against the leaks of just that one.
 * Elsewhere it is the default model. A resumed machine stays what it was, for its kernel has
 * looked.
 */
#include <errno.h>
#include <stdlib.h>

#include "board/pc/pc_impl.h"
#include "isa/x86/host_tsc.h"

#define IDENTITY_STATE(S, A, B, N)                                                                 \
    S(uint8_t, vendor)                                                                             \
    S(uint32_t, signature)

struct pc_identity {
    struct dev dev;
    STATE_MEMBERS(IDENTITY_STATE)
    struct pc *pc;
};

static void build_model(struct pc *pc, uint64_t tsc_hz, struct cpuid_identity id)
{
    cpuid_model_build(&pc->model, pc->vm->nvcpus, tsc_hz);
    cpuid_identify(&pc->model, id);
}

static int identity_post_load(void *obj, struct error *err)
{
    struct pc_identity *i = obj;
    if (i->vendor > CPUID_AMD)
        return error_set(err, EINVAL, "the machine's processors are of an unknown vendor");
    build_model(i->pc, i->pc->model.tsc_hz, (struct cpuid_identity){i->vendor, i->signature});
    return 0;
}

#define STATE_OWNER struct pc_identity
STATE_DESC(pc_identity_state, "cpu-identity", 1, IDENTITY_STATE, .post_load = identity_post_load);
#undef STATE_OWNER

static void identity_destroy(struct dev *d)
{
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static const struct dev_class identity_class = {
    .name = "cpu-identity",
    .state = &pc_identity_state,
    .destroy = identity_destroy,
};

int pc_create_model(struct pc *pc, struct error *err)
{
    struct cpuid_identity host;
    struct pc_identity *i = calloc(1, sizeof(*i));
    if (!i)
        return error_set(err, ENOMEM, "there is no memory for a machine");
    cpuid_model_build(&pc->model, pc->vm->nvcpus, host_tsc_hz());
    if ((pc->vm->engine->caps & ENGINE_CAP_HOST_CPU) && cpuid_host_identity(&host))
        build_model(pc, pc->model.tsc_hz, host);
    dev_init(&i->dev, &identity_class, &pc->vm->host, "cpu-identity");
    i->pc = pc;
    i->vendor = pc->model.id.vendor;
    i->signature = pc->model.id.signature;
    vm_add_device(pc->vm, &i->dev);
    return 0;
}
