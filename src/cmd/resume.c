/* doppel resume [OPTIONS] FILE */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/commands.h"
#include "cmd/machine.h"
#include "cmd/run_options.h"
#include "state/file.h"

static void help(void)
{
    puts(
        "Usage: doppel resume [OPTIONS] FILE\n"
        "\n"
        "Lets a machine go on that was saved to FILE (doppel run --save-on-exit FILE). What it is\n"
        "made of stands in the file; its disks must be where they were, unchanged.\n"
        "\n"
        "Options:");
    options_help(&resume_options);
}

static int open_state(const char *path, int *fd, struct state_in **in, struct error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
    int r = state_in_open(in, *fd, err);
    return r < 0 ? error_prefix(err, r, "%s", path) : 0;
}

static int resume(struct config *c, const char *path)
{
    struct error err = {0};
    struct state_in *in = NULL;
    int fd = -1, status = STATUS_USAGE;
    int r = open_state(path, &fd, &in, &err);
    if (r == 0)
        r = config_from_json(c, state_in_config(in), &err);
    if (r == 0)
        r = config_defaults(c, &err);
    if (r == 0)
        status = machine_main(c, in);
    else
        log_error("%s", err.text);
    state_in_close(in);
    if (fd >= 0)
        close(fd);
    return status;
}

int cmd_resume(int argc, char **argv)
{
    struct config c = {0};
    struct error err = {0};
    const char *path = NULL;
    int status = STATUS_USAGE;
    int r = options_parse(argc, argv, &resume_options, &c, &path, &err);
    if (r == 0 && !path)
        r = error_set(&err, EINVAL, "resume needs the file of a saved machine; see --help");
    if (r == 1) {
        help();
        status = STATUS_OK;
    } else if (r == 0) {
        status = resume(&c, path);
    } else {
        log_error("%s", err.text);
    }
    config_free(&c);
    return status;
}
