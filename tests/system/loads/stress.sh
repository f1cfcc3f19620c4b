# stress-ng's stressors one by one with --verify, each for about a second. Status 2 is a failed check; 3 and 4
# mean that this kernel or processor lacks what the stressor needs, which is no failure of the machine.
short='cpu vecmath vecfp matrix far-branch icache mprotect fault vfork pthread sigsegv sigtrap timer'
more='atomic longjmp munmap clone futex sigfpe vecshuf funccall branch context tree str memcpy vm mmap stack
    fork exec switch pipe signal bsearch crypt fp fp-error funcret goto hash heapsort hsearch jpeg judy list
    lsearch matrix-3d mergesort nop opcode plugin prefetch priv-instr qsort radixsort rdrand regs rotate rseq
    shellsort skiplist sparsematrix stream syncload tsc tsearch vecwide wcs x86cpuid zlib cache cacheline dekker
    peterson flushcache lockbus malloc mcontend membarrier misaligned memfd memthrash mincore null pipeherd
    randlist rmap stackmmap tlb-shootdown vm-addr vm-rw vm-segv zero bad-altstack bigheap brk env madvise mlock
    mmapaddr mmapfixed mmapfork mmapmany mremap msync pagemove shm shm-sysv userfaultfd affinity daemon eventfd
    fifo forkheavy hrtimers inotify kill loadavg mq msg mutex nanosleep nice poll race-sched resched schedpolicy
    sem sem-sysv session sleep spawn tee vforkmany wait yield zombie aio alarm clock itimer pidfd sigabrt
    sigchld sigfd sigio signest sigpending sigpipe sigq sigrt sigsuspend timerfd splice vm-splice ring-pipe
    sendfile dev-shm dir epoll filename flock getdent hdd io iomix link locka lockf memhotplug mknod procfs
    ptrace pty rename rlimit seek set sock sockfd sockpair symlink sysinfo udp utime vdso xattr x86syscall
    syscall usersyscall sysinval'
seconds=1
case $SIZE in short) list=$short ;; *) list="$short $more" ;; esac

failed=0 absent=
for stressor in $list; do
    status=0
    # A stressor that hangs is killed, and that counts. (Some take 8 s of a processor, which others may share.)
    timeout -k 10 300 stress-ng --temp-path . --$stressor 2 --timeout $seconds --verify --oomable \
        >stress.log 2>&1 || status=$?
    case $status in
        0) ;;
        3 | 4) absent="$absent $stressor" ;;
        *)
            failed=1
            echo "$stressor: status $status"
            grep -E 'fail|error|unexp' stress.log | head -n 5 || tail -n 5 stress.log
            ;;
    esac
done
echo "not here:$absent"
exit $failed
