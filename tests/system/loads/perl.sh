# The script's output, and perl's own check of a module that it builds at run time.
perl "$LOADS/work.pl" $SIZE >"$OUT/work"
perl -MPOSIX -MList::Util=sum,shuffle -MStorable=dclone -MMath::BigInt -e '
    my $n = Math::BigInt->new(2)->bpow(521)->bsub(1);
    print $n->copy->bmodpow(65537, 1000000007), "\n", dclone([sum 1 .. 100])->[0], "\n", POSIX::floor(-1.5), "\n"
' >"$OUT/modules"
