/* The floor: round trips of 64 bytes, both ends in one thread, blocking calls in the right order.
 *
 *     exchange_blocking CONNECTIONS ROUNDS
 *
 * Prints the seconds from the listening socket to the last close.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64 };

struct pair { int client, server; };

static char ping[SIZE], pong[SIZE];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void put(int fd, const char *message)
{
    if (send(fd, message, SIZE, 0) != SIZE)
        err(1, "send");
}

static void take(int fd, const char *wanted)
{
    char buffer[SIZE];
    if (recv(fd, buffer, SIZE, MSG_WAITALL) != SIZE)
        err(1, "recv");
    if (memcmp(buffer, wanted, SIZE) != 0)
        errx(1, "a wrong message");
}

static void no_delay(int fd)
{
    int yes = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        err(1, "setsockopt");
}

static int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, 4096) < 0
        || getsockname(fd, (struct sockaddr *)address, &size) < 0)
        err(1, "listen");
    return fd;
}

static struct pair connect_pair(int listener, const struct sockaddr_in *address)
{
    struct pair pair = {.client = socket(AF_INET, SOCK_STREAM, 0)};
    if (pair.client < 0 || connect(pair.client, (const struct sockaddr *)address, sizeof *address) < 0)
        err(1, "connect");
    pair.server = accept(listener, NULL, NULL);
    if (pair.server < 0)
        err(1, "accept");
    no_delay(pair.client);
    no_delay(pair.server);
    return pair;
}

/* The server's end closes first, so that the ports left in TIME_WAIT are not the clients' ephemeral ones. */
static void close_pair(struct pair pair)
{
    char byte;
    close(pair.server);
    if (recv(pair.client, &byte, 1, 0) != 0)
        errx(1, "unread bytes at the end");
    close(pair.client);
}

int main(int count, char **words)
{
    if (count != 3)
        errx(2, "usage: exchange_blocking CONNECTIONS ROUNDS");
    int connections = atoi(words[1]), rounds = atoi(words[2]);
    struct pair *pairs = calloc(connections, sizeof *pairs);
    if (!pairs)
        err(1, "calloc");
    for (int i = 0; i < SIZE; i++) {
        ping[i] = "ping"[i % 4];
        pong[i] = "pong"[i % 4];
    }

    double begun = now();
    struct sockaddr_in address;
    int listener = listen_on_loopback(&address);
    for (int i = 0; i < connections; i++)
        pairs[i] = connect_pair(listener, &address);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < connections; i++) {
            put(pairs[i].client, ping);
            take(pairs[i].server, ping);
            put(pairs[i].server, pong);
            take(pairs[i].client, pong);
        }
    for (int i = 0; i < connections; i++)
        close_pair(pairs[i]);
    close(listener);
    printf("%.9f\n", now() - begun);
    free(pairs);
    return 0;
}
