/* What the workload fork-exec runs: a C library that starts, and ends. */
int main(void)
{
    return 42;
}
