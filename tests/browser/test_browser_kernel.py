"""Stop, and a kernel that answers while it reads, as the browser sees them."""

from functools import partial

import pytest

from reviewlab import connect

CONNECT = "import asyncio\nimport reviewlab as rl\nlab = await rl.connect()"
WIDGETS = """
import ipywidgets
button, shown = ipywidgets.Button(description="Ask"), ipywidgets.Label("0")
reading, n = None, 0
def answer(_):
    global reading, n
    if reading is None:
        reading = asyncio.create_task(lab.sql("select r.* from reviews r, generate_series(1, :copies)", copies=5))
    n += 1
    shown.value = f"{n} done" if reading.done() else f"{n} reading"
button.on_click(answer)
display(button, shown)
"""
ASK = """
async ([button, shown]) => {
    const answers = [];
    while (answers.length < 500) {
        const before = shown.textContent, began = performance.now();
        const answered = new Promise(resolve => new MutationObserver((_, observer) => {
            if (shown.textContent !== before) { observer.disconnect(); resolve(); }
        }).observe(shown, {childList: true, characterData: true, subtree: true}));
        button.click();
        await answered;
        answers.push([performance.now() - began, shown.textContent.split(" ")[1]]);
        if (answers.at(-1)[1] === "done") break;
        await new Promise(resolve => setTimeout(resolve, 20));
    }
    return answers;
}
"""

WATCH = r"""
prompt => {
    let clicked;
    document.addEventListener("click", () => clicked = performance.now(), {capture: true, once: true});
    window.stopped = new Promise(resolve => new MutationObserver(() => {
        if (/\[\d+\]/.test(prompt.textContent)) resolve(performance.now() - clicked);
    }).observe(prompt, {childList: true, characterData: true, subtree: true}));
}
"""

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


async def test_stop_gives_the_prompt_back_and_ends_the_query(notebook, backends, until):
    """
    Stop that does not stop makes people restart, and leaves the query to the server.
    """
    await notebook.open_cells(CONNECT, "await lab.sql('select pg_sleep(80)')", "await lab.value('select 42')")
    await notebook.run_all()

    async def sleeping(n: int = 1) -> bool:
        return await backends("state = 'active' and query like '%pg_sleep(80)%'") == n

    await until(sleeping)
    await notebook.shoot("asked")
    await notebook.cell(1).locator(".jp-InputArea-prompt").evaluate(WATCH)

    await notebook.click("interrupt-kernel")
    await notebook.ended(1)

    milliseconds = await notebook.page.evaluate("window.stopped")
    print(f"figure: Stop returned the prompt after {milliseconds / 1000:.2f} s, limit 1 s")
    await until(partial(sleeping, 0))
    assert await notebook.complaints().count() == 1
    await notebook.run(2)
    await notebook.ended(2)
    assert await notebook.cell(2).locator(".jp-OutputArea-output").text_content() == "42"


async def test_widgets_are_answered_during_a_read_of_a_million_rows(notebook, jupyterlab):
    """
    A kernel that is deaf while it reads makes every control feel broken.
    """
    async with connect(jupyterlab.dsn) as lab:
        rows = await lab.count() * 5
    await notebook.open_cells(CONNECT, WIDGETS, "len(await reading)")
    for number in range(2):
        await notebook.run(number)
        await notebook.ended(number)
    output = notebook.cell(1).locator(".jp-OutputArea")
    controls = await output.evaluate_handle(
        "output => [output.querySelector('button.widget-button'), output.querySelector('.widget-label')]"
    )

    answers = await controls.evaluate(ASK)

    during = sorted(milliseconds for milliseconds, state in answers if state == "reading")
    print(
        f"figure: {len(during)} comm round trips during a read of {rows:,} rows: "
        f"median {during[len(during) // 2]:.0f} ms, longest {during[-1]:.0f} ms, limit 100 ms"
    )
    assert len(during) > 3
    assert answers[-1][1] == "done"
    await notebook.run(2)
    await notebook.ended(2)
    assert await notebook.cell(2).locator(".jp-OutputArea-output").text_content() == str(rows)
