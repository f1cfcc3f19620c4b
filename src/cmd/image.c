/*
 * doppel image create [OPTIONS] FILE
 *
 * A script does it (share/doppel/image-debian): it is packages, file systems and a run of this very
 * program. It lies where the program's own files do: ../share/doppel from the program, both in the
 * source tree and installed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "cmd/commands.h"
#include "cmd/config.h"
#include "cmd/options.h"

#define SIZE_DEFAULT (UINT64_C(4) << 30)
#define SIZE_MIN     (UINT64_C(1) << 30)
#define SIZE_LARGEST (UINT64_C(1) << 40)

struct image {
    const char *suite, *arch, *include;
    uint64_t size;
};

/* As Debian calls what boards call otherwise. */
struct arch_name {
    const char *ours, *debian;
};
static const struct arch_name archs[] = {
    {"x86_64", "amd64"}, {"amd64", "amd64"}, {"riscv64", "riscv64"}};

static int set_suite(void *target, const char *value, struct error *err)
{
    struct image *i = target;
    if (!value[0] || strspn(value, "abcdefghijklmnopqrstuvwxyz") != strlen(value))
        return error_set(err, EINVAL, "--debian takes a release's name, such as trixie, not '%s'",
                         value);
    i->suite = value;
    return 0;
}

static int set_arch(void *target, const char *value, struct error *err)
{
    struct image *i = target;
    for (unsigned n = 0; n < ARRAY_SIZE(archs); n++) {
        if (strcmp(archs[n].ours, value) != 0)
            continue;
        i->arch = archs[n].debian;
        return 0;
    }
    return error_set(err, EINVAL, "--arch takes amd64 or riscv64, not '%s'", value);
}

static int set_size(void *target, const char *value, struct error *err)
{
    struct image *i = target;
    int r = parse_size(value, "image size", &i->size, err);
    if (r == 0 && (i->size < SIZE_MIN || i->size > SIZE_LARGEST))
        r = error_set(err, EINVAL, "--size takes a size from 1G to 1024G, not '%s'", value);
    return r;
}

static int set_include(void *target, const char *value, struct error *err)
{
    struct image *i = target;
    /* Package names and commas: it becomes part of commands. [Debian policy 5.6.1] */
    if (strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789+-.,") != strlen(value))
        return error_set(err, EINVAL, "--include takes package names with commas, not '%s'", value);
    i->include = value;
    return 0;
}

static const struct option_desc create_list[] = {
    {"debian", "SUITE", "the release to install (default trixie)", set_suite},
    {"arch", "NAME", "amd64 (default) or riscv64", set_arch},
    {"size", "SIZE", "of the disk, mostly a hole at first (default 4G)", set_size},
    {"include", "PACKAGES", "more packages, with commas between", set_include},
};
static const struct option_table create_options = {create_list, ARRAY_SIZE(create_list)};

static void help(void)
{
    puts(
        "Usage: doppel image create [OPTIONS] FILE\n"
        "\n"
        "Makes FILE, a raw disk image with Debian on it: fetched and verified by debootstrap, and\n"
        "installed inside a machine of its architecture. Root logs in without a password.\n"
        "\n"
        "Options:");
    options_help(&create_options);
}

/* This program, and DIR/../share/doppel/NAME for the DIR that it is in. */
static int find_script(char self[PATH_MAX], char path[PATH_MAX], const char *name,
                       struct error *err)
{
    ssize_t n = readlink("/proc/self/exe", self, PATH_MAX - 1);
    if (n <= 0)
        return error_set(err, errno, "cannot find this program's own files");
    self[n] = 0;
    int dir = (int)(strrchr(self, '/') - self);
    if (snprintf(path, PATH_MAX, "%.*s/../share/doppel/%s", dir, self, name) >= PATH_MAX ||
        access(path, X_OK) != 0)
        return error_set(err, ENOENT, "%.*s/../share/doppel/%s is not there", dir, self, name);
    return 0;
}

/* Does not return when it works. */
static int create(const struct image *i, const char *file, struct error *err)
{
    char self[PATH_MAX], script[PATH_MAX], size[32];
    if (access(file, F_OK) == 0)
        return error_set(err, EEXIST, "%s exists; it is not overwritten", file);
    int r = find_script(self, script, "image-debian", err);
    if (r < 0)
        return r;
    snprintf(size, sizeof(size), "%llu", (unsigned long long)i->size);
    execl(script, script, i->suite, i->arch, size, i->include, file, self, (char *)NULL);
    return error_set(err, errno, "cannot run %s: %s", script, strerror(errno));
}

int cmd_image(int argc, char **argv)
{
    struct image i = {.suite = "trixie", .arch = "amd64", .include = "", .size = SIZE_DEFAULT};
    struct error err = {0};
    const char *file = NULL;
    bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    int r = 0;
    if (argc < 2 || (!asked && strcmp(argv[1], "create") != 0))
        r = error_set(&err, EINVAL, "image takes a word: \"doppel image create FILE\"; see --help");
    else
        r = asked ? 1 : options_parse(argc - 1, argv + 1, &create_options, &i, &file, &err);
    if (r == 0 && !file)
        r = error_set(&err, EINVAL, "image create needs the file to make; see --help");
    if (r == 0)
        r = create(&i, file, &err);
    if (r == 1) {
        help();
        return STATUS_OK;
    }
    log_error("%s", err.text);
    return STATUS_USAGE;
}
