/* The first thread ends before the others: the process goes on, and has the status 0. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *later(void *opaque)
{
    usleep(50000);
    puts("the other one");
    fflush(stdout);
    return opaque;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, later, NULL);
    pthread_exit(NULL);
}
