/* TEMPORARY minimal runner. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/pc/pc.h"

int main(int argc, char **argv)
{
    struct error err = {0};
    static struct vm vm;
    struct pc_config cfg = {.console = "stdio", .ram = 512ull << 20};
    struct vm_params p = {.nvcpus = 1, .isa = &isa_x86, .engine = &engine_interp};
    struct chr_backend *con;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--kernel")) cfg.kernel = argv[i + 1];
        if (!strcmp(argv[i], "--initrd")) cfg.initrd = argv[i + 1];
        if (!strcmp(argv[i], "--append")) cfg.cmdline = argv[i + 1];
        if (!strcmp(argv[i], "--cpus")) p.nvcpus = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--disk")) cfg.disk[cfg.ndisks++].path = argv[i + 1];
        if (!strcmp(argv[i], "--net") && net_options_parse(&cfg.net[cfg.nnets++], argv[i + 1], &err) < 0) return 2;
    }
    p.ram_size = cfg.ram;
    p.no_reboot = true;
    int r = vm_init(&vm, &p, &err);
    if (r == 0) r = pc_create(&vm, &cfg, &con, &err);
    if (r == 0) r = vm_start(&vm, false, &err);
    if (r < 0) { fprintf(stderr, "doppel: %s\n", err.text); return 2; }
    enum vm_end e = vm_wait(&vm);
    fprintf(stderr, "end %d %s instr %lu\n", e, vm.failure.text, vm.vcpus[0].stats.instructions);
    vm_destroy(&vm);
    return e == VM_POWERED_OFF ? 0 : 1;
}
/* TEMP */
static void tw(struct chr_backend *b, const uint8_t *buf, size_t len) { (void)b; fwrite(buf, 1, len, stdout); fflush(stdout); }
static void tn(struct chr_backend *b) { (void)b; }
static const struct chr_backend_ops tops = {"tmp", tw, tn, tn, tn};
static struct chr_backend tchr = {.ops = &tops};
int chr_open(struct chr_backend **out, const char *spec, struct evloop *l, struct error *err) { (void)spec; (void)l; (void)err; *out = &tchr; return 0; }
