/* doppel run [OPTIONS] [IMAGE] */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/machine.h"
#include "cmd/run_options.h"

static void help(void)
{
    puts("Usage: doppel run [OPTIONS] [IMAGE]\n"
         "\n"
         "Makes a virtual PC and runs it until it ends. Without arguments it boots Debian's cloud\n"
         "kernel with a small initramfs, a scratch disk and a network, to a shell right here.\n"
         "IMAGE is a disk, as with --disk IMAGE.\n"
         "\n"
         "Options:");
    options_help(&run_options);
    puts("\n"
         "Keys at the terminal: Ctrl-A x ends the machine, Ctrl-A h shows all.\n"
         "\n"
         "Examples:\n"
         "  doppel run --cpus 2 --memory 1G\n"
         "  doppel run --kernel vmlinuz --initrd initrd.img --append 'root=/dev/vda1 "
         "console=ttyS0' \\\n"
         "             --net user,forward=tcp:127.0.0.1:2222:22 debian.raw\n"
         "  doppel run --save-on-exit machine.state      then Ctrl-A s, and later\n"
         "  doppel resume machine.state");
}

int cmd_run(int argc, char **argv)
{
    struct config c = {0};
    struct error err = {0};
    const char *image = NULL;
    int status = STATUS_USAGE;
    int r = options_parse(argc, argv, &run_options, &c, &image, &err);
    if (r == 1) {
        help();
        status = STATUS_OK;
    } else {
        if (r == 0 && image)
            r = config_add_disk(&c, image, &err);
        if (r == 0)
            r = config_defaults(&c, &err);
        if (r == 0)
            status = machine_main(&c, NULL);
        else
            log_error("%s", err.text);
    }
    config_free(&c);
    return status;
}
