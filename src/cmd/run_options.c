/*
 * The options of run and resume.
 */
#include "cmd/run_options.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "board/pc/layout.h"
#include "engine/engine.h"

#define STRING_OPTION(field)                                                                       \
    static int set_##field(void *target, const char *value, struct error *err)                     \
    {                                                                                              \
        struct config *c = target;                                                                 \
        return config_set(&c->field, value, err);                                                  \
    }
STRING_OPTION(kernel)
STRING_OPTION(initrd)
STRING_OPTION(append)
STRING_OPTION(firmware)
STRING_OPTION(console)
STRING_OPTION(virtio_console)
STRING_OPTION(debugcon)
STRING_OPTION(name)
STRING_OPTION(save_on_exit)
STRING_OPTION(stats)

static int add_disk(void *target, const char *value, struct error *err)
{
    return config_add_disk(target, value, err);
}

static int add_net(void *target, const char *value, struct error *err)
{
    return config_add_net(target, value, err);
}

static int set_engine(void *target, const char *value, struct error *err)
{
    static const char *const names[] = {"auto",   "kvm",      "dbt",
                                        "interp", "lockstep", "lockstep-strict"};
    struct config *c = target;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], value) == 0)
            return config_set(&c->engine, value, err);
    }
    return error_set(err, EINVAL,
                     "there is no engine \"%s\"; --engine takes auto, kvm, dbt or interp", value);
}

static int set_arch(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    if (!board_of_arch(value))
        return error_set(err, EINVAL, "--arch takes x86_64 or riscv64, not '%s'", value);
    return config_set(&c->arch, value, err);
}

static int set_cpus(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    struct error why = {0};
    if (parse_uint(value, "number", 1, VM_MAX_VCPUS, &c->cpus, &why) < 0)
        return error_set(err, EINVAL, "--cpus takes a number from 1 to %d, not '%s'", VM_MAX_VCPUS,
                         value);
    return 0;
}

static int set_memory(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    int r = parse_size(value, "memory size", &c->memory, err);
    if (r == 0 && (c->memory < PC_RAM_MIN || c->memory > PC_RAM_MAX))
        r = error_set(err, EINVAL, "--memory takes a size from 32M to 16G, not '%s'", value);
    return r;
}

static int set_code_cache(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    int r = parse_size(value, "code cache size", &c->code_cache, err);
    if (r == 0 && (c->code_cache < ENGINE_CODE_CACHE_MIN || c->code_cache > ENGINE_CODE_CACHE_MAX))
        r = error_set(err, EINVAL, "--code-cache takes a size from 4M to 1G, not '%s'", value);
    return r;
}

static int set_perf_map(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    (void)value;
    (void)err;
    c->perf_map = true;
    return 0;
}

static int set_virtio(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    c->virtio_mmio = strcmp(value, "mmio") == 0;
    if (!c->virtio_mmio && strcmp(value, "pci") != 0)
        return error_set(err, EINVAL, "--virtio takes pci or mmio, not '%s'", value);
    return 0;
}

static int set_guest_unpack(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    (void)value;
    (void)err;
    c->guest_unpack = true;
    return 0;
}

static int set_no_reboot(void *target, const char *value, struct error *err)
{
    struct config *c = target;
    (void)value;
    (void)err;
    c->no_reboot = true;
    return 0;
}

#define CONSOLE                                                                                    \
    {                                                                                              \
        "console", "WHERE", "stdio (default), pty, socket=PATH, file=FILE, none", set_console      \
    }
#define ENGINE                                                                                     \
    {                                                                                              \
        "engine", "NAME", "auto (default), kvm, dbt, interp: who runs the CPUs", set_engine        \
    }
#define CODE_CACHE                                                                                 \
    {                                                                                              \
        "code-cache", "SIZE", "dbt: room for translated code, 4M to 1G (default 256M)",            \
            set_code_cache                                                                         \
    }
#define PERF_MAP                                                                                   \
    {                                                                                              \
        "perf-map", NULL, "dbt: write /tmp/perf-PID.map, translated code for perf", set_perf_map   \
    }
#define SAVE                                                                                       \
    {                                                                                              \
        "save-on-exit", "FILE", "save the machine when it is ended from outside", set_save_on_exit \
    }
#define STATS                                                                                      \
    {                                                                                              \
        "stats", "FILE", "write what the machine did as JSON when it ends", set_stats              \
    }

static const struct option_desc run_list[] = {
    {"arch", "NAME", "x86_64 or riscv64; else the kernel tells (default guest: x86_64)", set_arch},
    {"kernel", "FILE", "bzImage, vmlinux, PVH or multiboot ELF; RISC-V: Image, ELF", set_kernel},
    {"initrd", "FILE", "initial RAM disk; for multiboot, the module", set_initrd},
    {"append", "STRING", "kernel command line", set_append},
    {"firmware", "FILE", "riscv64: M-mode firmware (OpenSBI); else it is built in", set_firmware},
    {"guest-unpack", NULL, "let a bzImage unpack itself: slower, but with KASLR", set_guest_unpack},
    {"disk", "FILE[,ro][,cache=MODE]", "a disk: raw image or block device; may be repeated",
     add_disk},
    {"net", "user[,forward=...]|tap=NAME|none", "a network; forward=tcp:127.0.0.1:2222:22",
     add_net},
    CONSOLE,
    {"virtio-console", "WHERE", "a second console, /dev/hvc0 in Linux; as --console",
     set_virtio_console},
    {"debugcon", "WHERE", "what small kernels write to port 0xE9; as --console", set_debugcon},
    {"virtio", "pci|mmio", "how virtio devices are attached (default pci)", set_virtio},
    ENGINE,
    CODE_CACHE,
    {"cpus", "N", "1 to 8 (default 1)", set_cpus},
    {"memory", "SIZE", "32M to 16G (default 512M)", set_memory},
    {"name", "NAME", "the machine's name", set_name},
    {"no-reboot", NULL, "end instead of starting over when the guest resets", set_no_reboot},
    SAVE,
    STATS,
    PERF_MAP,
};
const struct option_table run_options = {run_list, ARRAY_SIZE(run_list)};

static const struct option_desc resume_list[] = {CONSOLE, ENGINE, CODE_CACHE,
                                                 SAVE,    STATS,  PERF_MAP};
const struct option_table resume_options = {resume_list, ARRAY_SIZE(resume_list)};
