/*
 * Consoles as the user names them: the --console option.
 */
#include "backend/char/chr.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "backend/char/kinds.h"

/* A reader of our output that goes away is that stream's end, not the machine's. */
static void ignore_sigpipe(void)
{
    struct sigaction sa;

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &sa, NULL);
    }
}

static int open_path(struct chr_backend **out, const char *spec, struct evloop *l,
                     struct error *err)
{
    const char *path = strchr(spec, '=') + 1;

    if (path[0] == '\0') {
        return error_set(err, EINVAL, "console '%s' needs the name of a file", spec);
    }
    return spec[0] == 's' ? chr_socket_open(out, path, l, err) : chr_file_open(out, path, l, err);
}

int chr_open(struct chr_backend **out, const char *spec, struct evloop *l, struct error *err)
{
    *out = NULL;
    ignore_sigpipe();
    if (strcmp(spec, "stdio") == 0) {
        return chr_stdio_open(out, l, err);
    }
    if (strcmp(spec, "pty") == 0) {
        return chr_pty_open(out, l, err);
    }
    if (strcmp(spec, "none") == 0) {
        return chr_null_open(out, err);
    }
    if (strncmp(spec, "socket=", 7) == 0 || strncmp(spec, "file=", 5) == 0) {
        return open_path(out, spec, l, err);
    }
    return error_set(err, EINVAL,
                     "unknown console '%s'; known are stdio, pty, socket=PATH, file=PATH, none",
                     spec);
}
