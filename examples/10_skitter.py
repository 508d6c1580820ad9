"""The same with skitter: tasks and callbacks as before, order kept, and manners on top.

Watch for: `submit` gives an ordinary asyncio.Task, `fetch_all` the pages in the order of the URLs, also
when the first is the slowest and when one URL comes ten times. skitter reads robots.txt first, keeps to
`per_host` requests in flight at one host, and a failed fetch is a page that says why, not an exception.
"""

import asyncio
from time import perf_counter

import skitter
from skitter.testing import local_site


async def main() -> None:
    async with local_site() as site, skitter.Crawler(per_host=10) as crawler:
        task = crawler.submit(site.url("/delay/0.3"))
        print("an asyncio.Task:", isinstance(task, asyncio.Task))
        print("its name says the URL:", site.url("/delay/0.3") in task.get_name())
        task.add_done_callback(lambda t: print("Status:", t.result().status))
        print("Title:", (await task).title)
        print("asked first:", site.requests[0].target)

        start = perf_counter()
        pages = await crawler.fetch_all([site.url("/delay/0.3")] * 10)
        print("the same URL ten times:", [page.status for page in pages])
        print(f"  {perf_counter() - start:.1f} s, at most {site.max_in_flight} in flight at the server")

        paths = ["/delay/0.5", "/status/404", "/delay/0.1"]
        for page in await crawler.fetch_all([site.url(path) for path in paths]):
            print(page.url.removeprefix(site.origin), page.status, "ok" if page.ok else page.reason)


if __name__ == "__main__":
    asyncio.run(main())
