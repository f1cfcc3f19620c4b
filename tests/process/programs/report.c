/* Calls that do not exist, and what the options of doppel exec change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long r = 0;
    for (int i = 0; i < 3; i++)
        r += syscall(425, 1, 2) == -1 && errno == ENOSYS;
    r += syscall(100000) == -1 && errno == ENOSYS;
    printf("%ld %d %s\n", r, argc, strrchr(argv[0], '/') ? strrchr(argv[0], '/') : argv[0]);
    printf("%s %s\n", getenv("SET") ? getenv("SET") : "-", getenv("UNSET") ? getenv("UNSET") : "-");
    return 4;
}
