# What perl is used for: lines, hashes, regular expressions, sorting.
use strict;
use warnings;

my (%count, $seed, $text);
$seed = 1;
for my $line (1 .. 6000) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    $text .= sprintf("%04d key%d=value%x; ", $line, $seed % 331, $seed);
    $text .= "\n" if $seed % 7 == 0;
}
for my $line (split /\n/, $text) {
    while ($line =~ /\bkey(\d+)=value([0-9a-f]+)/g) {
        $count{$1} += hex($2) % 1000;
    }
    (my $other = $line) =~ s/(\d)(\d)/$2$1/g;
    $count{length $other}++;
}
for my $key (sort { $count{$b} <=> $count{$a} || $a <=> $b } keys %count) {
    print "$key $count{$key}\n";
}
