"""The official Python clients against a server: prints what each got as one JSON object.

    python clients.py URL KEY MODEL PICTURE QUESTION
"""

import base64
import json
import sys

import anthropic
import openai

url, key, model, picture, question = sys.argv[1:]
with open(picture, "rb") as file:
    data = base64.b64encode(file.read()).decode()
data_url = f"data:image/jpeg;base64,{data}"
got = {"versions": f"openai {openai.__version__}, anthropic {anthropic.__version__}"}

client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
messages = [
    {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": data_url}},
            {"type": "text", "text": question},
        ],
    }
]
answer = client.chat.completions.create(model=model, messages=messages, max_completion_tokens=40)
got["chat"] = answer.choices[0].message.content
got["usage"] = answer.usage.prompt_tokens
chunks = client.chat.completions.create(
    model=model, messages=messages, stream=True, stream_options={"include_usage": True}
)
got["chat, streamed"] = ""
for chunk in chunks:
    for choice in chunk.choices:
        got["chat, streamed"] += choice.delta.content or ""
    if chunk.usage:
        got["usage, streamed"] = chunk.usage.prompt_tokens
schema = {
    "type": "object",
    "properties": {"product": {"type": "string", "maxLength": 30}},
    "required": ["product"],
    "additionalProperties": False,
}
formed = client.chat.completions.create(
    model=model,
    messages=messages,
    response_format={
        "type": "json_schema",
        "json_schema": {"name": "product", "schema": schema, "strict": True},
    },
)
got["form"] = list(json.loads(formed.choices[0].message.content))
extra = client.chat.completions.create(
    model=model, messages=messages, extra_body={"top_k": 1, "choice": ["pears", "books"]}
)
got["choice"] = extra.choices[0].message.content

parts = [
    {"type": "input_image", "image_url": data_url, "detail": "auto"},
    {"type": "input_text", "text": question},
]
response = client.responses.create(model=model, input=[{"role": "user", "content": parts}])
got["responses"] = response.output_text
got["responses, streamed"] = ""
with client.responses.stream(model=model, input=[{"role": "user", "content": parts}]) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            got["responses, streamed"] += event.delta
    assert stream.get_final_response().output_text == got["responses, streamed"]

got["completions"] = (
    client.completions.create(model=model, prompt="One, two, three,", max_tokens=8).choices[0].text
)
got["models"] = [one.id for one in client.models.list()]


def error_of(call):
    try:
        call()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return [type(error).__name__, error.status_code]
    return None


stranger = openai.OpenAI(base_url=f"{url}/v1", api_key="nobody-0123456789", max_retries=0)
got["wrong key"] = error_of(lambda: stranger.models.list())
got["wrong model"] = error_of(
    lambda: client.chat.completions.create(model="none", messages=messages)
)
got["wrong field"] = error_of(
    lambda: client.chat.completions.create(model=model, messages=messages, extra_body={"nonsense": 1})
)

claude = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)
content = [
    {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}},
    {"type": "text", "text": question},
]
asked = {"model": model, "max_tokens": 40, "messages": [{"role": "user", "content": content}]}
message = claude.messages.create(**asked)
got["messages"] = "".join(block.text for block in message.content)
got["messages, streamed"] = ""
with claude.messages.stream(**asked) as stream:
    for text in stream.text_stream:
        got["messages, streamed"] += text
counted = {name: value for name, value in asked.items() if name != "max_tokens"}
got["count_tokens"] = claude.messages.count_tokens(**counted).input_tokens
got["wrong message"] = error_of(lambda: claude.messages.create(**{**asked, "max_tokens": -1}))
print(json.dumps(got))
