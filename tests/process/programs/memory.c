/* Memory: mapping, protecting, moving, growing; limits; the heap; code made at run time. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void fails(const char *what, int failed, int expected)
{
    printf("%s %d %d\n", what, failed, errno == expected);
}

static void mapping(void)
{
    char *p = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    memset(p, 'a', 10 * PAGE);
    printf("%d %d\n", munmap(p + PAGE, PAGE), p[0]);
    char *q = mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    printf("%d %d\n", q == p + PAGE, q[0]);
    printf("%d\n", mprotect(p, 10 * PAGE, PROT_READ));
    q = mmap(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    fails("taken", q == MAP_FAILED, EEXIST);
    fails("odd", mprotect(p + 1, PAGE, PROT_READ) < 0, EINVAL);
    fails("empty", mmap(NULL, 0, PROT_READ, ANON, -1, 0) == MAP_FAILED, EINVAL);
    fails("huge", mmap(NULL, 1UL << 50, PROT_READ, ANON, -1, 0) == MAP_FAILED, ENOMEM);
    fails("no file", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0) == MAP_FAILED, EBADF);
    munmap(p, 10 * PAGE);
}

static void moving(void)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    strcpy(p, "first");
    strcpy(p + 3 * PAGE, "last");
    char *q = mremap(p, 4 * PAGE, 4000 * PAGE, MREMAP_MAYMOVE);
    q[3999 * PAGE] = 1;
    printf("%s %s\n", q, q + 3 * PAGE);
    char *r = mmap(NULL, 100 * PAGE, PROT_NONE, ANON, -1, 0);
    r = mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r);
    printf("%s %d\n", r, mremap(r, PAGE, PAGE, 99) == MAP_FAILED);
    printf("%d\n", mremap(q + 4 * PAGE, 10 * PAGE, PAGE, 0) == q + 4 * PAGE);
    fails("gone", msync(q + 6 * PAGE, PAGE, MS_ASYNC) < 0, ENOMEM);
    fails("gone", madvise(q + 6 * PAGE, PAGE, MADV_DONTNEED) < 0, ENOMEM);
    fails("gone", mlock(q + 6 * PAGE, PAGE) < 0, ENOMEM);
    fails("moved", mremap(q, 2 * PAGE, PAGE, 0) == MAP_FAILED, EFAULT);
    FILE *f = tmpfile();
    fputs("file", f);
    fflush(f);
    char *s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fileno(f), 0);
    s = mremap(s, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    printf("%.4s\n", s);
}

static void heap(void)
{
    char *start = sbrk(0);
    printf("%d\n", brk(start + 1000000));
    start[999999] = 5;
    printf("%d\n", brk(start));
    printf("%d\n", sbrk(0) == start);
    printf("%d\n", brk(start + 1000000));
    printf("%d\n", start[999999]);
    void *blocks[500];
    for (int i = 0; i < 500; i++)
        blocks[i] = memset(malloc(1 + i * 997), i, 1 + i * 997);
    for (int i = 0; i < 500; i += 2)
        free(blocks[i]);
    for (int i = 1; i < 500; i += 2)
        blocks[i] = realloc(blocks[i], 300000 + i);
    printf("%d\n", *(unsigned char *)blocks[301]);
}

static void shared(void)
{
    int *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);
    int *q = shmat(id, NULL, 0);
    if (fork() == 0) {
        *p = 5;
        q[10] = 6;
        _exit(0);
    }
    wait(NULL);
    printf("%d %d\n", *p, q[10]);
    printf("%d\n", shmdt(q));
    fails("detached", shmdt(q) < 0, EINVAL);
    shmctl(id, IPC_RMID, NULL);
}

/* A function that adds n to its argument. */
static void emit(unsigned *code, unsigned n)
{
#ifdef __riscv
    code[0] = 0x00050513 | n << 20; /* addi a0, a0, n */
    code[1] = 0x00008067;           /* ret */
#else
    code[0] = 0x00c78348 | n << 24; /* add rdi, n; mov rax, rdi; ret */
    code[1] = 0xc3f88948;
#endif
    __builtin___clear_cache((char *)code, (char *)(code + 2));
}

static void made_code(void)
{
    unsigned *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, -1, 0);
    int (*fn)(int) = (int (*)(int))code;
    int sum = 0;
    for (unsigned i = 0; i < 50; i++) {
        emit(code, i);
        sum += fn(1000);
    }
    printf("%d\n", sum);
    mprotect(code, PAGE, PROT_READ | PROT_WRITE);
    emit(code, 77);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    printf("%d\n", fn(1));
    code = mmap(code, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
    emit(code, 88);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    printf("%d\n", fn(1));
}

int main(void)
{
    mapping();
    moving();
    heap();
    shared();
    made_code();
    return 0;
}
