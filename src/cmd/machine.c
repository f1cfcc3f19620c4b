/*
 * A machine's run as the user sees it: engine choice, console menu, signals, end, state file.
 */
#include "cmd/machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/signals.h"
#include "cmd/stats.h"
#include "state/file.h"

struct machine {
    struct vm vm;
    struct config *cfg;
    struct board_config board_cfg;
    struct chr_backend *console;
    struct signals signals;
    struct error err;
    char why[256]; /* the engine choice, in one line */
};

static void menu(void *opaque, char key)
{
    struct machine *m = opaque;
    switch (key) {
    case 'x':
        vm_end_request(&m->vm, VM_QUIT);
        break;
    case 's':
        if (m->cfg->save_on_exit)
            vm_end_request(&m->vm, VM_SAVED);
        else
            log_warn("nothing is saved: start with --save-on-exit FILE to be able to");
        break;
    case 'p':
        if (!m->vm.board->power_button || !m->vm.board->power_button(&m->vm))
            log_warn("the guest does not listen to its power button; Ctrl-A x ends the machine");
        break;
    default:
        break;
    }
}

static void on_signal(void *opaque, int signo)
{
    struct machine *m = opaque;
    (void)signo;
    vm_end_request(&m->vm, VM_QUIT);
}

static int build(struct machine *m, struct state_in *from)
{
    struct vm_params p = {.name = m->cfg->name,
                          .nvcpus = (unsigned)m->cfg->cpus,
                          .ram_size = m->cfg->memory + m->cfg->board->rom_size,
                          .isa = m->cfg->board->isa,
                          .no_reboot = m->cfg->no_reboot,
                          .code_cache = m->cfg->code_cache,
                          .perf_map = m->cfg->perf_map};
    int r = config_to_board(m->cfg, &m->board_cfg, &m->err);
    if (r == 0)
        r = engine_choose(m->cfg->engine, p.isa, &p.engine, m->why, sizeof(m->why), &m->err);
    if (r < 0)
        return r;
    r = vm_init(&m->vm, &p, &m->err);
    if (r == 0)
        r = m->cfg->board->create(&m->vm, &m->board_cfg, &m->console, &m->err);
    if (r < 0)
        return r;
    m->console->menu = menu;
    m->console->menu_opaque = m;
    m->console->menu_help = "  Ctrl-A s  save the machine (--save-on-exit) and end it\r\n"
                            "  Ctrl-A p  press the power button\r\n";
    r = signals_watch(&m->signals, m->vm.loop, on_signal, m, &m->err);
    if (r == 0 && from)
        r = vm_load(&m->vm, from, &m->err);
    return r;
}

static int save(struct machine *m)
{
    struct atomic_file f = {0};
    char *json = config_to_json(m->cfg);
    int r = json ? atomic_file_open(&f, m->cfg->save_on_exit, &m->err)
                 : error_set(&m->err, ENOMEM, "there is no memory to save the machine");
    if (r == 0)
        r = vm_save(&m->vm, f.fd, json, &m->err);
    if (r == 0)
        r = atomic_file_commit(&f, &m->err);
    atomic_file_discard(&f);
    free(json);
    if (r == 0)
        log_info("saved to %s; \"doppel resume %s\" goes on", m->cfg->save_on_exit,
                 m->cfg->save_on_exit);
    return r;
}

static int exit_status(const struct machine *m, enum vm_end end)
{
    switch (end) {
    case VM_FAILED:
        return STATUS_FAILED;
    case VM_RESET_REQUESTED:
        return STATUS_RESET;
    case VM_DEBUG_EXIT:
        return (int)((m->vm.exit_value << 1 | 1) & 0xff);
    case VM_EXITED:
        return (int)(m->vm.exit_value & 0xff);
    default:
        return STATUS_OK;
    }
}

/* After the end: the VM is paused. */
static int finish(struct machine *m, enum vm_end end)
{
    int status = exit_status(m, end);
    if (end == VM_FAILED)
        log_error("%s", m->vm.failure.text);
    if (m->cfg->save_on_exit && (end == VM_QUIT || end == VM_SAVED) && save(m) < 0) {
        log_error("%s", m->err.text);
        status = STATUS_FAILED;
    }
    if (m->cfg->stats && stats_write(&m->vm, m->cfg->stats, &m->err) < 0) {
        log_error("%s", m->err.text);
        status = STATUS_FAILED;
    }
    return status;
}

int machine_main(struct config *c, struct state_in *from)
{
    struct machine *m = calloc(1, sizeof(*m));
    if (!m) {
        log_error("there is no memory for a machine");
        return STATUS_USAGE;
    }
    m->cfg = c;
    signals_block();
    int status = STATUS_USAGE;
    int r = build(m, from);
    if (r == 0)
        r = vm_prepare(&m->vm, from != NULL, &m->err);
    if (r == 0 && strcmp(c->engine, "auto") == 0)
        log_info("%s", m->why);
    if (r == 0)
        r = vm_start(&m->vm, from != NULL, &m->err);
    if (r == 0)
        status = finish(m, vm_wait(&m->vm));
    if (m->vm.loop) {
        signals_unwatch(&m->signals);
        vm_destroy(&m->vm);
    }
    if (r < 0)
        log_error("%s", m->err.text);
    free(m);
    return status;
}
