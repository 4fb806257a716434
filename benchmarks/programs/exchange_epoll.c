/* On epoll: connections that each do round trips of 64 bytes, both ends in one thread.
 *
 *     exchange_epoll CONNECTIONS ROUNDS
 *
 * Prints the seconds from the listening socket to the last close.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, BATCH = 256 };

/* One end of a connection: it takes `wanted` and answers, `left` more times. */
struct end {
    int fd, left, filled;
    bool client, connecting;
    const char *wanted, *answer;
    char buffer[SIZE];
};

static char ping[SIZE], pong[SIZE];
static int epoll, open_ends;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void watch(int operation, int fd, int events, struct end *end)
{
    struct epoll_event event = {.events = events, .data.ptr = end};
    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        err(1, "epoll_ctl");
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
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, 4096) < 0
        || getsockname(fd, (struct sockaddr *)address, &size) < 0)
        err(1, "listen");
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, NULL);
    return fd;
}

static void start_client(struct end *end, const struct sockaddr_in *address, int rounds)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        err(1, "socket");
    no_delay(fd);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno != EINPROGRESS)
        err(1, "connect");
    *end = (struct end){.fd = fd, .left = rounds, .client = true, .connecting = true, .wanted = pong, .answer = ping};
    watch(EPOLL_CTL_ADD, fd, EPOLLOUT, end);
}

static void start_server(struct end *end, int fd, int rounds)
{
    no_delay(fd);
    *end = (struct end){.fd = fd, .left = rounds, .wanted = ping, .answer = pong};
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, end);
}

/* All that are in the listener's queue. Returns how many. */
static int accept_all(struct end *ends, int listener, int rounds)
{
    int accepted = 0, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        start_server(&ends[accepted++], fd, rounds);
    if (errno != EAGAIN)
        err(1, "accept");
    return accepted;
}

static void answer(struct end *end)
{
    if (send(end->fd, end->answer, SIZE, 0) != SIZE)
        err(1, "send");
}

static void finish(struct end *end)
{
    if (end->left)
        errx(1, "a connection ended too early");
    close(end->fd);
    open_ends--;
}

/* The server's end closes first, so that the ports left in TIME_WAIT are not the clients' ephemeral ones. */
static void took_message(struct end *end)
{
    end->left--;
    if (!end->client || end->left)
        answer(end);
    if (!end->client && !end->left)
        finish(end);
}

static void ready(struct end *end)
{
    if (end->connecting) {
        end->connecting = false;
        watch(EPOLL_CTL_MOD, end->fd, EPOLLIN, end);
        answer(end);
        return;
    }
    char spare;
    bool over = end->client && !end->left;
    ssize_t taken = over ? recv(end->fd, &spare, 1, 0)
                         : recv(end->fd, end->buffer + end->filled, SIZE - end->filled, 0);
    if (taken < 0 || (over && taken > 0))
        err(1, "recv");
    if (taken == 0) {
        finish(end);
        return;
    }
    end->filled += taken;
    if (end->filled < SIZE)
        return;
    if (memcmp(end->buffer, end->wanted, SIZE) != 0)
        errx(1, "a wrong message");
    end->filled = 0;
    took_message(end);
}

static void exchange(int connections, int rounds, struct end *clients, struct end *servers)
{
    struct sockaddr_in address;
    struct epoll_event events[BATCH];
    epoll = epoll_create1(0);
    open_ends = 2 * connections;
    int listener = listen_on_loopback(&address), started = 0, accepted = 0;
    while (open_ends) {
        /* Never more at a time than the listener's queue holds: what does not fit is dropped, and tried a second later. */
        for (int i = 0; i < BATCH && started < connections; i++, started++)
            start_client(&clients[started], &address, rounds);
        int count = epoll_wait(epoll, events, BATCH, started < connections ? 0 : -1);
        if (count < 0)
            err(1, "epoll_wait");
        for (int i = 0; i < count; i++) {
            struct end *end = events[i].data.ptr;
            if (end)
                ready(end);
            else
                accepted += accept_all(servers + accepted, listener, rounds);
        }
    }
    close(listener);
    close(epoll);
}

int main(int count, char **words)
{
    if (count != 3)
        errx(2, "usage: exchange_epoll CONNECTIONS ROUNDS");
    int connections = atoi(words[1]), rounds = atoi(words[2]);
    struct end *ends = calloc(2 * connections, sizeof *ends);
    if (!ends)
        err(1, "calloc");
    for (int i = 0; i < SIZE; i++) {
        ping[i] = "ping"[i % 4];
        pong[i] = "pong"[i % 4];
    }
    double begun = now();
    exchange(connections, rounds, ends, ends + connections);
    printf("%.9f\n", now() - begun);
    free(ends);
    return 0;
}
