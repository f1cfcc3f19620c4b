# Exercises the interpreter; prints the same on every correct machine.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(usleep);

my $scale = $ARGV[0] eq 'long' ? 10 : 1;
$| = 1;

sub words {
    my ($count) = @_;
    my $seed = 12345;
    return map { $seed = ($seed * 1103515245 + 12345) % 2147483648; sprintf '%06x%03d', $seed % 16777216, $_ % 997 }
        1 .. $count;
}

sub regexes {
    my $text = join ' ', words(3000 * $scale);
    my %found;
    $found{$1 . length $2}++ while $text =~ /\b([0-9a-f]{2})([a-f]*)\d+/g;
    (my $swapped = $text) =~ s/(\d)([a-f])(?=\d)/$2$1/g;
    my $nested = '((a(b)c)(d(e)))' x 20;
    my $balanced = qr/(\((?:[^()]++|(?1))*\))/;
    my $groups = () = $nested =~ /$balanced/g;
    return sha256_hex(join ',', map { "$_=$found{$_}" } sort keys %found), sha256_hex($swapped), $groups;
}

sub sorting {
    my @list = words(5000 * $scale);
    my @numeric = sort { hex(substr $a, 0, 6) <=> hex(substr $b, 0, 6) or $a cmp $b } @list;
    my %lengths;
    push @{ $lengths{ hex($_ =~ s/.*(..)$/$1/r) } }, $_ for @list;
    return sha256_hex("@numeric"), join '/', map { scalar @{ $lengths{$_} } } sort { $a <=> $b } keys %lengths;
}

sub numbers {
    my ($x, $sum) = (0.5, 0);
    for (1 .. 50000 * $scale) {
        $x = 3.7 * $x * (1 - $x);
        $sum += int($x * 1000) ^ $_;
    }
    return unpack('H*', pack 'd>', $x), $sum, 2**53 - 1, -7 % 3, sprintf('%.17g', 0.1 * 3), 0xffff_ffff << 16;
}

sub packing {
    my $blob = join '', map { pack 'CnNVvQ>a5w', $_ % 256, $_, $_ * 3, $_ * 5, $_ * 7, $_**4, "s$_", $_ * 1001 }
        1 .. 1000 * $scale;
    my $total = 0;
    $total += $_ for unpack '%32C*', $blob;
    return sha256_hex($blob), $total;
}

sub closures {
    my @counters = map { my $n = $_; sub { $n += shift // 1 } } 1 .. 100;
    my $sum = 0;
    for my $round (1 .. 100 * $scale) {
        $sum += $counters[$round % 100]->($round);
    }
    my $caught = 0;
    for (1 .. 1000 * $scale) {
        eval { die { code => $_ } if $_ % 2; 1 } or $caught += $@->{code};
    }
    my $compiled = eval 'sub { my $s = 0; $s += $_ * $_ for 1 .. $_[0]; $s }' or die;
    return $sum, $caught, $compiled->(1000);
}

sub children {
    my $out = '';
    for my $n (1 .. 5 * $scale) {
        my $child = open(my $pipe, '-|') // die "fork: $!";
        if (!$child) {
            print "child $n ", $n**3, "\n";
            exit $n;
        }
        $out .= do { local $/; <$pipe> };
        close $pipe;
        $out .= ($? >> 8) . "\n";
    }
    return sha256_hex($out), `printf '%s\n' c a b | sort | tr -d '\n'`;
}

sub signals {
    my $seen = 0;
    local $SIG{USR1} = sub { $seen++ };
    for (1 .. 50) { kill USR1 => $$ }
    local $SIG{ALRM} = sub { die "alarm\n" };
    Time::HiRes::alarm(0.02);
    eval { usleep(1000) while 1 };
    return $seen, $@ =~ /alarm/ ? 'alarm' : 'none';
}

for my $part (qw(regexes sorting numbers packing closures children signals)) {
    no strict 'refs';
    print "$part: @{[ &$part() ]}\n";
}
