/* Threads: mutexes, conditions, barriers, thread-local storage, cancellation, robust mutexes. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 20000 };
static atomic_long atomic_sum;
static long locked_sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int done;
static __thread int local = 7;
static pthread_mutex_t robust;

static void *add(void *opaque)
{
    local += (int)(long)opaque;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < ROUNDS; i++) {
        atomic_sum++;
        pthread_mutex_lock(&lock);
        locked_sum++;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    done++;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&lock);
    return (void *)(long)local;
}

static void *wait_for_ever(void *opaque)
{
    sem_post(opaque);
    for (;;)
        pause();
    return NULL;
}

static void *die_with_lock(void *opaque)
{
    pthread_mutex_lock(&robust);
    return opaque;
}

static void *exit_early(void *opaque)
{
    pthread_exit(opaque);
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    void *result;
    long sum = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, add, (void *)i);
    pthread_mutex_lock(&lock);
    while (done < THREADS)
        pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], &result);
        sum += (long)result;
    }
    printf("%ld %ld %ld %d\n", atomic_sum, locked_sum, sum, local);

    sem_t ready;
    sem_init(&ready, 0, 0);
    pthread_create(&t[0], NULL, wait_for_ever, &ready);
    sem_wait(&ready);
    pthread_cancel(t[0]);
    pthread_join(t[0], &result);
    printf("%d\n", result == PTHREAD_CANCELED);

    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    pthread_create(&t[0], NULL, die_with_lock, NULL);
    pthread_join(t[0], NULL);
    printf("%d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);

    for (int i = 0; i < 200; i++) {
        pthread_create(&t[0], NULL, exit_early, (void *)5L);
        pthread_join(t[0], &result);
        sum += (long)result;
    }
    printf("%ld\n", sum);
    fflush(stdout);
    pthread_create(&t[0], NULL, wait_for_ever, &ready);
    return 3; /* with a thread that still runs */
}
