/* The built-in SBI: what each call does to harts, timers, console and machine. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "board/virt/layout.h"
#include "board/virt/sbi.h"
#include "unit/fake/machine.h"

enum { HARTS = 2, A0 = 10, A1 = 11, RAM = 1 << 20 };
enum { BASE = 0x10, TIME = 0x54494d45, IPI = 0x735049, RFENCE = 0x52464e43, HSM = 0x48534d };
enum { SRST = 0x53525354, DBCN = 0x4442434e };

struct env {
    struct fake_machine m;
    struct vm vm;
    struct virt virt;
    struct engine_ops engine;
    struct chr_backend console;
    char written[64];
    size_t nwritten;
    unsigned kicks;
    unsigned fences[HARTS], flushes[HARTS], pages[HARTS];
};

static struct env *env; /* the back end's and the fences' callbacks bring no pointer to it */

/* These two in place of vm/vm.c, which wants a real event loop. */
void vm_add_device(struct vm *vm, struct dev *d)
{
    list_push_back(&vm->devices, &d->link);
}

int vm_init_cpus(struct vm *vm, struct error *err)
{
    (void)err;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct vcpu *v = &vm->vcpus[i];
        v->id = i;
        v->vm = vm;
        v->cpu = isa_riscv.cpu_create(i);
        isa_riscv.cpu_reset(v->cpu);
    }
    return 0;
}

static void kick(struct vcpu *v)
{
    (void)v;
    env->kicks++;
}

static void console_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    assert_true(env->nwritten + len < sizeof(env->written));
    memcpy(env->written + env->nwritten, buf, len);
    env->nwritten += len;
}

static void fence_i(struct riscv_cpu *c)
{
    env->fences[c->id]++;
}

static void sfence(struct riscv_cpu *c, bool all_addresses, gva_t va, bool all_spaces,
                   uint16_t asid)
{
    (void)va;
    (void)all_spaces;
    (void)asid;
    if (all_addresses)
        env->flushes[c->id]++;
    else
        env->pages[c->id]++;
}

static const struct chr_backend_ops console_ops = {.name = "test", .write = console_write};
static const struct riscv_mem_slow slow = {.sfence = sfence, .fence_i = fence_i};

static void make_harts(struct env *e)
{
    struct aclint_hart wires[HARTS] = {0};
    struct error err;
    assert_int_equal(virt_create_cpus(&e->virt, &err), 0);
    for (unsigned i = 0; i < HARTS; i++) {
        virt_cpu(&e->virt, i)->slow = &slow;
        virt_cpu(&e->virt, i)->priv = RISCV_S;
        virt_cpu(&e->virt, i)->menvcfg = UINT64_C(1) << 63;
    }
    assert_int_equal(
        aclint_create(&e->virt.aclint, &e->m.host, VIRT_ACLINT_BASE, VIRT_SSWI_BASE, wires, HARTS),
        0);
    assert_int_equal(virt_create_timers(&e->virt, &err), 0);
}

static struct dev *harts_dev(struct env *e)
{
    return container_of(e->vm.devices.next, struct dev, link);
}

static int setup(void **state)
{
    struct env *e = env = calloc(1, sizeof(*e));
    fake_machine_init(&e->m);
    assert_int_equal(guest_mem_init(&e->m.mem, RAM, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&e->m.mem, VIRT_RAM_BASE, RAM, false, NULL), 0);
    e->vm.nvcpus = HARTS;
    e->engine.kick = kick;
    e->vm.engine = &e->engine;
    e->vm.host = e->m.host;
    e->vm.mem = e->m.mem;
    list_init(&e->vm.devices);
    pthread_mutex_init(&e->vm.exclusive_lock, NULL);
    e->console.ops = &console_ops;
    e->virt.vm = &e->vm;
    e->virt.console = &e->console;
    make_harts(e);
    harts_dev(e)->cls->resume(harts_dev(e));
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;
    fake_destroy(harts_dev(e));
    fake_destroy(&e->virt.aclint->dev);
    for (unsigned i = 0; i < HARTS; i++)
        isa_riscv.cpu_destroy(e->vm.vcpus[i].cpu);
    guest_mem_destroy(&e->m.mem);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static int64_t call(struct env *e, uint64_t eid, uint64_t fid, const uint64_t *arg, unsigned n)
{
    struct riscv_cpu *c = virt_cpu(&e->virt, 0);
    for (unsigned i = 0; i < 6; i++)
        c->x[A0 + i] = i < n ? arg[i] : 0;
    c->x[16] = fid;
    c->x[17] = eid;
    assert_true(virt_sbi_call(&e->virt.hart[0], c));
    return (int64_t)c->x[A0];
}

#define CALL(e, eid, fid, ...)                                                                     \
    call(e, eid, fid, (const uint64_t[]){__VA_ARGS__},                                             \
         sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static uint64_t value(struct env *e)
{
    return virt_cpu(&e->virt, 0)->x[A1];
}

static bool line(struct env *e, unsigned hart, enum riscv_line l)
{
    return atomic_load(&virt_cpu(&e->virt, hart)->lines) >> l & 1;
}

static void base_extension(void **state)
{
    struct env *e = *state;
    assert_int_equal(CALL(e, BASE, 0, 0), SBI_SUCCESS);
    assert_int_equal(value(e), 2 << 24);
    assert_int_equal(CALL(e, BASE, 3, HSM), SBI_SUCCESS);
    assert_int_equal(value(e), 1);
    assert_int_equal(CALL(e, BASE, 3, 0x123456), SBI_SUCCESS);
    assert_int_equal(value(e), 0);
    assert_int_equal(CALL(e, BASE, 99, 0), SBI_ERR_NOT_SUPPORTED);
    assert_int_equal(CALL(e, 0x123456, 0, 0), SBI_ERR_NOT_SUPPORTED);
    virt_cpu(&e->virt, 0)->priv = RISCV_U; /* a program's system call is the kernel's */
    assert_false(virt_sbi_call(&e->virt.hart[0], virt_cpu(&e->virt, 0)));
}

static void timer(void **state)
{
    struct env *e = *state;
    assert_int_equal(CALL(e, TIME, 0, aclint_mtime(e->virt.aclint) + 100), SBI_SUCCESS);
    assert_false(line(e, 0, RISCV_LINE_STIP));
    fake_advance(10000);
    assert_true(line(e, 0, RISCV_LINE_STIP));
    assert_false(line(e, 1, RISCV_LINE_STIP));
    assert_int_equal(CALL(e, TIME, 0, UINT64_MAX), SBI_SUCCESS);
    assert_false(line(e, 0, RISCV_LINE_STIP));
    assert_int_equal(fake_timers_armed(), 0);
    assert_int_equal(CALL(e, TIME, 0, 1), SBI_SUCCESS); /* long past */
    assert_true(line(e, 0, RISCV_LINE_STIP));
}

static void interrupts_between_harts(void **state)
{
    struct env *e = *state;
    assert_int_equal(CALL(e, IPI, 0, 1, 1), SBI_SUCCESS);
    assert_true(line(e, 1, RISCV_LINE_SSIP));
    assert_false(line(e, 0, RISCV_LINE_SSIP));
    assert_int_equal(e->kicks, 1);
    assert_int_equal(CALL(e, IPI, 0, 4, 0), SBI_ERR_INVALID_PARAM);
    assert_int_equal(CALL(e, IPI, 0, 1, 2), SBI_ERR_INVALID_PARAM);
    assert_int_equal(CALL(e, IPI, 0, 2, UINT64_MAX - 1), SBI_ERR_INVALID_PARAM);
    assert_false(line(e, 0, RISCV_LINE_SSIP));
    assert_int_equal(CALL(e, IPI, 0, 0, UINT64_MAX), SBI_SUCCESS); /* all */
    assert_true(line(e, 0, RISCV_LINE_SSIP));
}

static void remote_fences(void **state)
{
    struct env *e = *state;
    assert_int_equal(CALL(e, RFENCE, 0, 2, 0), SBI_SUCCESS);
    assert_int_equal(e->fences[1], 1);
    assert_int_equal(e->fences[0], 0);
    assert_int_equal(CALL(e, RFENCE, 1, 3, 0, 0x1fff, 2), SBI_SUCCESS); /* crosses a page */
    assert_int_equal(e->pages[0], 2);
    assert_int_equal(e->pages[1], 2);
    assert_int_equal(CALL(e, RFENCE, 2, 0, UINT64_MAX, 0, UINT64_MAX, 7), SBI_SUCCESS);
    assert_int_equal(e->flushes[0], 1);
    assert_int_equal(e->flushes[1], 1);
    assert_int_equal(CALL(e, RFENCE, 1, 1, 0, UINT64_MAX - 0xfff, 0x2000), SBI_SUCCESS);
    assert_int_equal(CALL(e, RFENCE, 3, 1, 0), SBI_ERR_NOT_SUPPORTED); /* of a hypervisor */
    assert_int_equal(CALL(e, RFENCE, 0, 4, 0), SBI_ERR_INVALID_PARAM);
}

static void harts_start_and_stop(void **state)
{
    struct env *e = *state;
    struct vcpu *v = &e->vm.vcpus[1];
    assert_int_equal(CALL(e, HSM, 2, 1), SBI_SUCCESS);
    assert_int_equal(value(e), VIRT_HART_STOPPED);
    assert_int_equal(CALL(e, HSM, 0, 1, 0x1000, 0), SBI_ERR_INVALID_ADDRESS);
    assert_int_equal(CALL(e, HSM, 0, 2, VIRT_RAM_BASE, 0), SBI_ERR_INVALID_PARAM);
    assert_int_equal(CALL(e, HSM, 0, 1, VIRT_RAM_BASE + 64, 5), SBI_SUCCESS);
    assert_int_equal(CALL(e, HSM, 0, 1, VIRT_RAM_BASE, 5), SBI_ERR_ALREADY_AVAILABLE);
    assert_true(vcpu_take(v, VCPU_REQ_START));
    isa_riscv.cpu_start(v->cpu, atomic_load(&v->start_addr), atomic_load(&v->start_arg));
    const struct riscv_cpu *c = v->cpu;
    assert_int_equal(c->pc, VIRT_RAM_BASE + 64);
    assert_int_equal(c->x[A0], 1);
    assert_int_equal(c->x[A1], 5);
    assert_int_equal(c->priv, RISCV_S);
    assert_int_equal(c->run_state, RISCV_RUNNING);
    assert_int_equal(CALL(e, HSM, 1, 0), SBI_SUCCESS);
    assert_int_equal(virt_cpu(&e->virt, 0)->run_state, RISCV_STOPPED);
    assert_int_equal(CALL(e, HSM, 2, 0), SBI_SUCCESS);
    assert_int_equal(value(e), VIRT_HART_STOPPED);
    assert_int_equal(CALL(e, HSM, 3, 0), SBI_ERR_NOT_SUPPORTED);
}

static void reset(void **state)
{
    struct env *e = *state;
    assert_int_equal(CALL(e, SRST, 0, 3, 0), SBI_ERR_INVALID_PARAM);
    assert_int_equal(CALL(e, SRST, 0, 0, 0), SBI_SUCCESS);
    assert_int_equal(e->m.events[MACHINE_POWER_OFF], 1);
    assert_int_equal(CALL(e, SRST, 0, 1, 0), SBI_SUCCESS);
    assert_int_equal(e->m.events[MACHINE_RESET], 1);
    assert_int_equal(CALL(e, 8, 0, 0), 0); /* version 0.1's */
    assert_int_equal(e->m.events[MACHINE_POWER_OFF], 2);
}

static void console(void **state)
{
    struct env *e = *state;
    assert_int_equal(gpa_write(&e->m.mem, VIRT_RAM_BASE, "hello", 5), 0);
    assert_int_equal(CALL(e, DBCN, 0, 5, VIRT_RAM_BASE, 0), SBI_SUCCESS);
    assert_int_equal(value(e), 5);
    assert_int_equal(CALL(e, DBCN, 2, '!'), SBI_SUCCESS);
    assert_int_equal(CALL(e, 1, 0, '?'), 0); /* version 0.1's */
    assert_string_equal(e->written, "hello!?");
    assert_int_equal(CALL(e, DBCN, 0, 5, VIRT_RAM_BASE, 1), SBI_ERR_INVALID_PARAM);
    assert_int_equal(CALL(e, DBCN, 0, 5, 0x1000, 0), SBI_ERR_INVALID_PARAM);
    assert_int_equal(CALL(e, DBCN, 0, 0, VIRT_RAM_BASE, 0), SBI_SUCCESS);
    assert_int_equal(CALL(e, DBCN, 1, 5, VIRT_RAM_BASE + RAM, 0), SBI_ERR_INVALID_PARAM);
}

/* Interrupts that were sent and not seen yet are part of the saved machine. */
static void saved_and_loaded(void **state)
{
    struct env *e = *state;
    struct dev *d = harts_dev(e);
    struct state_writer w = {0};
    struct state_section s;
    struct error err;
    size_t pos = 0;
    assert_int_equal(CALL(e, IPI, 0, 2, 0), SBI_SUCCESS);
    state_save(&w, "virt-harts", d->cls->state, d);
    assert_int_equal(state_next_section(w.buf, w.len, &pos, &s, &err), 1);
    isa_riscv.cpu_reset(virt_cpu(&e->virt, 1));
    assert_false(line(e, 1, RISCV_LINE_SSIP));
    assert_int_equal(state_load(s.body, s.len, d->cls->state, d, &err), 0);
    d->cls->resume(d);
    assert_true(line(e, 1, RISCV_LINE_SSIP));
    assert_false(line(e, 0, RISCV_LINE_SSIP));
    state_writer_free(&w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(base_extension),
        TEST(timer),
        TEST(interrupts_between_harts),
        TEST(remote_fences),
        TEST(console),
        TEST(harts_start_and_stop),
        TEST(reset),
        TEST(saved_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
