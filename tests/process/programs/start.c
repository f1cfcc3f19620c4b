/* What a program finds at its start: arguments, environment, auxiliary vector, and how it ends. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

static int data = 42, bss[5000];

static void at_exit(void)
{
    puts("at exit");
}

int main(int argc, char **argv)
{
    struct utsname u;
    atexit(at_exit);
    for (int i = 1; i < argc; i++)
        puts(argv[i]);
    printf("%s %d %d\n", getenv("GUEST") ? getenv("GUEST") : "no GUEST", data, bss[4999]);
    printf("%d %lx %ld\n", uname(&u), getauxval(AT_HWCAP) & 0x112d, getauxval(AT_PAGESZ));
    printf("%s %d\n", u.machine,
           strcmp(strrchr((char *)getauxval(AT_EXECFN), '/'), strrchr(argv[0], '/')));
    printf("%d %d\n", getauxval(AT_UID) == getuid(), ((unsigned long)&argv[-1] & 15) == 0);
    printf("%.17g %a %s\n", 1 / 3.0, 1e300 * 1e10, strtod("0x1.8p3", NULL) == 12 ? "yes" : "no");
    return 200;
}
