/* Files: open flags, stat, links, directories, vectors, locks, positions, copies, memory files. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

static void stats(void)
{
    struct stat s, l;
    struct statx x;
    struct statfs fs;
    printf("%d\n", stat("file", &s));
    printf("%d\n", lstat("link", &l));
    printf("%lo %ld %ld %d %d\n", (long)s.st_mode, (long)s.st_size, (long)s.st_nlink,
           S_ISLNK(l.st_mode), s.st_uid == getuid());
    printf("%ld.%09ld %ld\n", (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec, (long)s.st_blksize);
    printf("%d\n", statx(AT_FDCWD, "file", 0, STATX_ALL, &x));
    printf("%d\n", x.stx_ino == s.st_ino);
    printf("%d\n", statfs(".", &fs));
    printf("%d\n", fs.f_bsize > 0);
    printf("%d\n", stat("nothing", &s));
    printf("%d\n", errno);
    printf("%d\n", stat((char *)16, &s));
    printf("%d\n", errno);
}

static void directory(void)
{
    struct dirent **list;
    int n = scandir(".", &list, NULL, alphasort);
    for (int i = 0; i < n; i++)
        if (list[i]->d_name[0] != '.')
            printf("%s %d\n", list[i]->d_name, list[i]->d_type);
}

static void vectors(int fd)
{
    char a[4] = "", b[8] = "";
    struct iovec v[2] = {{a, 3}, {b, 7}}, w[2] = {{"vector", 6}, {" end\n", 5}};
    printf("%zd\n", pwritev(fd, w, 2, 100));
    printf("%zd\n", preadv(fd, v, 2, 100));
    printf("%s %s\n", a, b);
    printf("%zd\n", read(fd, (void *)1, 8));
    printf("%zd\n", write(fd, (void *)-4096, 8));
    printf("%d\n", errno);
    printf("%ld\n", (long)lseek(fd, 0, SEEK_END));
    printf("%ld\n", (long)lseek(fd, 200, SEEK_DATA));
}

static void locks(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_start = 1, .l_len = 10};
    printf("%d\n", fcntl(fd, F_SETLK, &l));
    printf("%d\n", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND));
    l.l_type = F_RDLCK;
    printf("%d\n", fcntl(fd, F_GETLK, &l));
    printf("%d\n", l.l_type);
}

int main(void)
{
    int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0640);
    struct timespec times[2] = {{1000000000, 5}, {1000000001, 6}};
    printf("%zd\n", write(fd, "contents\n", 9));
    printf("%d\n", open("file", O_RDWR | O_CREAT | O_EXCL, 0640));
    printf("%d\n", errno);
    printf("%d\n", open("file", O_DIRECTORY));
    printf("%d\n", errno);
    printf("%d\n", symlink("file", "link"));
    printf("%d\n", open("link", O_NOFOLLOW));
    futimens(fd, times);
    stats();
    vectors(fd);
    locks(fd);
    mkdir("dir", 0700);
    rename("link", "dir/link");
    char target[4096] = "";
    printf("%zd\n", readlink("dir/link", target, 63));
    puts(target);
    directory();
    int out = open("copy", O_WRONLY | O_CREAT, 0600), mem = memfd_create("m", 0);
    printf("%zd\n", sendfile(out, fd, &(off_t){0}, 5));
    printf("%zd\n", copy_file_range(fd, &(off_t){0}, mem, NULL, 9, 0));
    printf("%d %s\n", ftruncate(fd, 3), getcwd(target, sizeof(target)) ? "cwd" : "none");
    printf("%d %d\n", close(out), close(99));
    return 0;
}
