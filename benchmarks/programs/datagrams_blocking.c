/* The floor over UDP: round trips of 64 bytes, both ends in one thread, blocking calls in the right order.
 *
 *     datagrams_blocking ROUNDS
 *
 * Prints the seconds from the first socket to the last close.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static int bound_to_loopback(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0
        || getsockname(fd, (struct sockaddr *)address, &size) < 0)
        err(1, "bind");
    return fd;
}

/* One byte more than is wanted, so that a datagram that is too long is seen. */
static void check(const char *buffer, ssize_t size, const char *wanted)
{
    if (size != SIZE || memcmp(buffer, wanted, SIZE) != 0)
        errx(1, "a wrong datagram");
}

int main(int count, char **words)
{
    if (count != 2)
        errx(2, "usage: datagrams_blocking ROUNDS");
    int rounds = atoi(words[1]);
    char ping[SIZE], pong[SIZE], buffer[SIZE + 1];
    for (int i = 0; i < SIZE; i++) {
        ping[i] = "ping"[i % 4];
        pong[i] = "pong"[i % 4];
    }

    double begun = now();
    struct sockaddr_in address, sender;
    int server = bound_to_loopback(&address);
    int client = socket(AF_INET, SOCK_DGRAM, 0);
    if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect");
    for (int round = 0; round < rounds; round++) {
        socklen_t size = sizeof sender;
        if (send(client, ping, SIZE, 0) != SIZE)
            err(1, "send");
        check(buffer, recvfrom(server, buffer, sizeof buffer, 0, (struct sockaddr *)&sender, &size), ping);
        if (sendto(server, pong, SIZE, 0, (struct sockaddr *)&sender, size) != SIZE)
            err(1, "sendto");
        check(buffer, recv(client, buffer, sizeof buffer, 0), pong);
    }
    close(server);
    close(client);
    printf("%.9f\n", now() - begun);
    return 0;
}
