/*
 * A virtual machine as an object: it owns everything of one guest, and several fit in one process.
 */
#ifndef DOPPEL_VM_VM_H
#define DOPPEL_VM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/evloop.h"
#include "base/guest_clock.h"
#include "bus/io.h"
#include "dev/dev.h"
#include "engine/engine.h"
#include "isa/isa.h"
#include "mem/guest_mem.h"
#include "vm/vcpu.h"

enum { VM_MAX_VCPUS = 8 };

/* Steps of a boot that statistics tell the times of. */
#define VM_MILESTONE_LIST(X)                                                                       \
    X(ENGINE_READY, engine_ready)           /* memory and vCPUs exist */                           \
    X(FIRST_INSTRUCTION, first_instruction) /* vCPU 0 is about to execute */                       \
    X(USER_MODE, user_mode)                 /* a vCPU was seen in user mode; interp only */

enum vm_milestone {
#define VM_MILESTONE_ENUM(id, name) VM_MILESTONE_##id,
    VM_MILESTONE_LIST(VM_MILESTONE_ENUM)
#undef VM_MILESTONE_ENUM
        VM_MILESTONES
};

/* How a machine ended; the command turns it into the process's exit status. */
enum vm_end {
    VM_RUNNING,
    VM_POWERED_OFF,
    VM_RESET_REQUESTED, /* with no_reboot */
    VM_DEBUG_EXIT,
    VM_EXITED, /* with the status in exit_value */
    VM_FAILED,
    VM_SAVED, /* state written, machine stopped on request */
    VM_QUIT,  /* the user asked (Ctrl-A x, SIGTERM) */
};

struct vm;

/* What the board contributes. All run on the thread that calls the vm_* function. */
struct board_ops {
    const char *name;
    /* Devices are reset by the VM; this puts the loaded kernel's entry state into the CPUs. */
    int (*boot)(struct vm *vm, struct error *err);
    /* The user presses the power button; false: the guest does not listen, or not yet. Any thread.
     * NULL: there is none. */
    bool (*power_button)(struct vm *vm);
    void (*destroy)(struct vm *vm);
};

struct vm {
    char name[64];
    unsigned nvcpus;
    struct vcpu vcpus[VM_MAX_VCPUS];
    const struct isa_ops *isa;
    const struct engine_ops *engine;
    void *engine_priv;
    const struct board_ops *board;
    void *board_priv;

    struct guest_mem mem;
    struct io_space mmio, pio;
    struct evloop *loop;
    struct guest_clock clock;
    struct dev_host host; /* what devices are given */
    struct list devices;  /* struct dev.link, in creation order */

    bool no_reboot;
    uint64_t code_cache; /* these two as in struct vm_params */
    bool perf_map;
    /* Guarded by `lock`: */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned nparked;     /* vCPUs waiting in the pause point */
    unsigned pause_depth; /* > 0: vCPUs must park */
    enum vm_end end;
    uint32_t exit_value; /* of VM_DEBUG_EXIT and VM_EXITED */
    struct error failure;
    bool reset_pending;
    bool prepared, started, engine_ready;
    _Atomic bool warned_triple;

    /* Stop-the-world among running vCPUs: vm/exclusive.h. */
    pthread_mutex_t exclusive_lock;
    _Atomic bool stopping;
    /* Host times; milestones are 0 until reached. */
    uint64_t created_ns, start_ns;
    _Atomic uint64_t milestone_ns[VM_MILESTONES];
};

/* Everything but devices: memory, bus, loop, vCPUs on the engine. The board fills the rest. */
struct vm_params {
    const char *name;
    unsigned nvcpus;
    uint64_t ram_size; /* bytes of memfd to reserve (RAM and ROMs) */
    const struct isa_ops *isa;
    const struct engine_ops *engine;
    bool no_reboot;
    uint64_t code_cache; /* bytes for translated code; 0: the engine's default */
    bool perf_map;       /* tell perf where translated code lies */
};

int vm_init(struct vm *vm, const struct vm_params *p, struct error *err) must_check;
/* The CPUs of the ISA, so that the board can wire them. */
int vm_init_cpus(struct vm *vm, struct error *err) must_check;
/* After the board has added memory slots and wired the CPUs. */
int vm_init_engine(struct vm *vm, struct error *err) must_check;
void vm_destroy(struct vm *vm);
void vm_add_device(struct vm *vm, struct dev *d);

/* The first half of vm_start(), for who wants to say something in between: nothing can go wrong for
 * a reason that is the user's afterwards. */
int vm_prepare(struct vm *vm, bool resumed, struct error *err) must_check;
/* Reset devices and CPUs, let the board load the boot state, and start the vCPU threads.
 * `resumed`: state was loaded instead, so no reset. Returns when all threads run. */
int vm_start(struct vm *vm, bool resumed, struct error *err) must_check;
/* Wait for the end, resetting the machine as the guest asks; returns with the VM paused, so that it
 * can be saved. Not from a vCPU's or the event loop's thread. */
enum vm_end vm_wait(struct vm *vm);
/* Ask for the end, from any thread (not a vCPU's lock holder). */
void vm_end_request(struct vm *vm, enum vm_end end);
/* A CPU shut down: resets the machine, with a warning that says where. */
void vm_triple_fault(struct vm *vm, struct vcpu *v);
void vm_fail(struct vm *vm, const char *fmt, ...) printf_like(2, 3);

/* Note the time of a milestone, the first time. Any thread. */
void vm_milestone(struct vm *vm, enum vm_milestone m);
const char *vm_milestone_name(enum vm_milestone m);

/* vm/run.c */
void *vm_vcpu_thread(void *vcpu);

/* vm/save.c: write or read all sections of a paused VM: clock, CPUs, devices, RAM. */
int vm_save(struct vm *vm, int fd, const char *config_json, struct error *err) must_check;
struct state_in;
int vm_load(struct vm *vm, struct state_in *in, struct error *err) must_check;

#endif
